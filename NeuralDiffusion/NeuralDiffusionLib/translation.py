"""Sentences in the user's language, where an application translates them; elsewhere they stay English.

A module of the library has ``_ = translator(__name__)`` and puts each sentence into ``_("...")``, as a literal whose
values are filled in afterwards. That is the form in which Slicer's tools find sentences, filed under the name of the
module and of the folder that it lies in.
"""

from __future__ import annotations

import re
from collections.abc import Callable

Translate = Callable[[str, str], str]
"""Takes a module by folder and name, such as ``"engine.weights"``, and a sentence of it; from any thread."""

_installed: list[Translate] = []


def set_translator(translate: Translate) -> None:
    """Have the library's sentences translated from now on."""
    _installed[:] = [translate]


def translator(module: str) -> Callable[[str], str]:
    """Return what translates the sentences of a module, given its full name."""
    # The context under which Slicer files them (`slicer.i18n.getContext`).
    context = ".".join(module.split(".")[-2:])

    def translated(text: str) -> str:
        found = _installed[0](context, text) if _installed else text
        # With other values than the sentence has, a translation could not be filled in.
        return found if _values(found) == _values(text) else text

    return translated


def _values(text: str) -> set[str]:
    return set(re.findall(r"\{[^{}]*\}", text))
