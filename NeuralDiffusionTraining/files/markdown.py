"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Sequence


def markdown_table(
    headings: Sequence[str], lines: Sequence[Sequence[str]], words: int = 1, words_at_end: int = 0
) -> str:
    """A table whose columns of figures are set right, without a line break at its end.

    Parameters
    ----------
    headings
        One for each column.
    lines
        The cells, line by line; a "|" within one is escaped.
    words, words_at_end
        Number of columns at the beginning and at the end that hold words, which are set left.
    """
    figures = len(headings) - words - words_at_end
    rule = "|" + "---|" * words + "---:|" * figures + "---|" * words_at_end
    heading, *rows = (f"| {' | '.join(map(_cell, cells))} |" for cells in (headings, *lines))
    return "\n".join([heading, rule, *rows])


def _cell(text: str) -> str:
    """Any text as the content of one cell."""
    return text.replace("|", "\\|").replace("\n", " ")
