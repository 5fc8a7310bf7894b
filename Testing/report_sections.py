"""Parts of a report, as the tests read them."""

from __future__ import annotations

import re


def section(page: str, name: str) -> str:
    """The HTML of one section."""
    return re.search(rf'<section id="{name}">(.*?)</section>', page, re.DOTALL)[1]


def words(html: str) -> str:
    """What a reader sees, in one line."""
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())
