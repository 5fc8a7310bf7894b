"""The figures in Markdown pages: written between markers, from the results and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable

from ..files.command_error import CommandError
from ..speed.tables import summary as bench_summary
from ..speed.tables import to_markdown as bench_tables
from .result_tables import (
    NOT_MEASURED,
    ablation_table,
    ablation_title,
    checks_summary,
    comparison_table,
    evaluation_title,
    first_sweep_table,
    headline_table,
    noise_table,
    volumes_summary,
)
from .results import Results

_BLOCK = re.compile(r"<!-- figures: (?P<name>[a-z]+) -->\n(?P<body>.*?)<!-- end -->", re.DOTALL)


def _headline(results: Results) -> str:
    found = results.headline()
    return f"{evaluation_title(found.content)}.\n\n{headline_table(results)}" if found else NOT_MEASURED


def _comparison(results: Results) -> str:
    found = results.headline()
    return f"{evaluation_title(found.content)}.\n\n{comparison_table(results)}" if found else NOT_MEASURED


def _ablation(results: Results) -> str:
    # The report has those of the other split, noise types and seeds, and of the optimisers, too.
    wanted = {"noise": "rician", "split": "original", "seed": 0}
    found = results.of(
        "ablation",
        lambda content: (
            content.get("of") != "optimisers"
            and all(content.get(name, value) == value for name, value in wanted.items())
        ),
    )
    parts = [f"{ablation_title(one.content)}\n\n{ablation_table(one)}" for one in found]
    return "\n\n".join(parts) or NOT_MEASURED


def speed_tables(results: Results) -> str:
    """What `neural-diffusion bench` measured, one file after the other."""
    return "\n\n".join(bench_tables(one.content).rstrip() for one in results.of("bench")) or NOT_MEASURED


def _rivals(results: Results) -> str:
    """The table of `bench.json`, or whatever comes first, in short."""
    found = results.of("bench")
    return bench_summary(found[0].content).rstrip() if found else NOT_MEASURED


def _first_speed_table(results: Results) -> str:
    """What it measured in `bench.json`, or whatever comes first: the report has the others."""
    found = results.of("bench")
    return bench_tables(found[0].content).rstrip() if found else NOT_MEASURED


BLOCKS: dict[str, Callable[[Results], str]] = {
    "benchmark": noise_table,
    "headline": _headline,
    "comparison": _comparison,
    "sweep": first_sweep_table,
    "ablation": _ablation,
    "checks": checks_summary,
    "volumes": volumes_summary,
    "rivals": _rivals,
    "speed": _first_speed_table,
}
"""What may stand between `<!-- figures: NAME -->` and `<!-- end -->`."""


def with_figures(text: str, results: Results) -> str:
    """The Markdown text with every marked block written anew.

    Raises
    ------
    CommandError
        If a block has a name that is not one of `BLOCKS`, or its end is missing.
    """
    if text.count("<!-- figures:") != len(_BLOCK.findall(text)):
        raise CommandError("A marker '<!-- figures: NAME -->' has no '<!-- end -->' after it: add it.")

    def written(block: re.Match[str]) -> str:
        name = block["name"]
        if name not in BLOCKS:
            raise CommandError(f"Figures '{name}' are not known: choose from {', '.join(BLOCKS)}.")
        if "<!-- figures:" in block["body"]:
            raise CommandError(f"The marker of figures '{name}' has no '<!-- end -->' after it: add it.")
        return f"<!-- figures: {name} -->\n\n{BLOCKS[name](results)}\n\n<!-- end -->"

    return _BLOCK.sub(written, text)
