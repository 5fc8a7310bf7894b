"""The figures in Markdown pages: written between markers, from the results and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

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
    missing,
    noise_table,
    volumes_summary,
)
from .results import Results

_BLOCK = re.compile(r"<!-- figures: (?P<name>[a-z]+) -->\n(?P<body>.*?)<!-- end -->", re.DOTALL)


Block = Callable[[Results], str]


def _titled(table: Block) -> Block:
    """A table of the headline evaluation, under what that is of."""

    def block(results: Results) -> str:
        found = results.headline()
        return f"{evaluation_title(found.content)}.\n\n{table(results)}" if found else missing(results.of("evaluation"))

    return block


def _ablation(results: Results) -> str:
    # The report has those of the other splits, noise types and seeds, and of the optimisers, too.
    found = results.ablations()
    shown = [one for one in found if one.content["split"] == found[0].content["split"]]
    parts = [f"{ablation_title(one.content)}\n\n{ablation_table(one)}" for one in shown]
    return "\n\n".join(parts) or NOT_MEASURED


def speed_tables(results: Results) -> str:
    """What `neural-diffusion bench` measured, one file after the other."""
    return "\n\n".join(bench_tables(one.content).rstrip() for one in results.benches()) or NOT_MEASURED


def _of_first_bench(tables: Callable[[dict[str, Any]], str]) -> Block:
    """Tables of the run that comes first: the report has the others."""

    def block(results: Results) -> str:
        found = results.benches()
        return tables(found[0].content).rstrip() if found else NOT_MEASURED

    return block


BLOCKS: dict[str, Block] = {
    "benchmark": noise_table,
    "headline": _titled(headline_table),
    "comparison": _titled(comparison_table),
    "sweep": first_sweep_table,
    "ablation": _ablation,
    "checks": checks_summary,
    "volumes": volumes_summary,
    "rivals": _of_first_bench(bench_summary),
    "speed": _of_first_bench(bench_tables),
}
"""What may stand between `<!-- figures: NAME -->` and `<!-- end -->`."""


def has_figures(text: str) -> bool:
    """Whether a page has a place for a table."""
    return "<!-- figures:" in text


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
