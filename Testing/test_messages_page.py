"""The messages that MESSAGES.md explains are those that the module has."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MESSAGES = re.findall(r"^\| `([^`]+)` \|", (ROOT / "MESSAGES.md").read_text(encoding="utf-8"), re.MULTILINE)


@functools.cache
def sentences() -> list[str]:
    """Every string literal of the module, with ``...`` for what is filled in."""
    found = []
    for path in (ROOT / "NeuralDiffusion").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else "..." for part in node.values]
                found.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(re.sub(r"\{[^{}]*\}", "...", node.value))
    return found


def test_there_are_messages():
    assert len(MESSAGES) > 50


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_that_is_explained_is_one_of_the_modules(message):
    assert any(sentence.startswith(message) for sentence in sentences())
