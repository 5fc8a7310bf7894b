"""`neural-diffusion card`: the model card from measured results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..files.result_files import check_outputs, write_text
from .benchmark_options import ResultFiles, Weights


def card(
    results: ResultFiles,
    output: Annotated[Path, typer.Argument(help="Markdown file to write.")],
    weights: Weights = None,
) -> None:
    """Write the model card: how the weights were made, and what was measured with them."""
    from NeuralDiffusionLib.engine.weights import BUNDLED_WEIGHTS

    from ..reporting.model_card import model_card
    from ..reporting.results import files_of_results

    check_outputs(output, inputs=[weights, *files_of_results(results)])
    text = model_card(weights or BUNDLED_WEIGHTS, results)
    write_text(output, text)
    typer.echo(f"Model card written to {output}.")
