"""What the table of speed calls its rows and curves, for those that make them and those that look for them."""

from __future__ import annotations

from typing import Literal

Group = Literal["ours", "lever", "network", "own", "classical"]
"""Kinds of subjects: "lever" is ours without something, "own" is of whoever measures."""

Axis = Literal["slices", "side", "iterations", "threads", "batch"]
"""What is varied where the scaling is timed."""
