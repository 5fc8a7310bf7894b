"""`neural-diffusion card`: the model card from measured results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..files.result_files import check_folder_of, write_text
from .options import Weights


def card(
    results: Annotated[Path, typer.Argument(help="Folder of the JSON files that the measuring commands wrote.")],
    output: Annotated[Path, typer.Argument(help="Markdown file to write.")],
    weights: Weights = None,
) -> None:
    """Write the model card: how the weights were made, and what was measured with them."""
    from NeuralDiffusionLib.weights import BUNDLED_WEIGHTS

    from ..reporting.model_card import model_card

    check_folder_of(output)
    text = model_card(weights or BUNDLED_WEIGHTS, results)
    write_text(output, text)
    typer.echo(f"Model card written to {output}.")
