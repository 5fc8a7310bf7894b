"""Tables as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from typing import Any


def csv_text(columns: Sequence[str], lines: Iterable[Sequence[Any]]) -> str:
    """A table with its column names above, lines ending in a line feed; what is ``None`` or NaN is left empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([None if is_unknown(value) else value for value in line] for line in lines)
    return text.getvalue()


def is_unknown(value: object) -> bool:
    """Whether it is no figure: ``None``, or NaN."""
    return value is None or (isinstance(value, float) and math.isnan(value))
