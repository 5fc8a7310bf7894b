"""`neural-diffusion report`: everything that was measured as one page, and the figures in Markdown pages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..files.command_error import CommandError
from ..files.result_files import check_is_file, check_outputs, write_text
from .benchmark_options import ResultFiles, Weights
from .chosen import chosen_denoiser
from .table_rows import name_and_checkpoint


def report(
    results: ResultFiles,
    output: Annotated[Path | None, typer.Argument(help="HTML file to write.")] = None,
    example: Annotated[
        Path | None,
        typer.Option(
            metavar="SCAN", help="Scan of the example slices; nilearn's openly licensed template if left out."
        ),
    ] = None,
    trained: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=CHECKPOINT", help="Show a network trained here in the example, too; repeat."),
    ] = None,
    weights: Weights = None,
    readme: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Markdown file whose marked tables are written anew; repeat."),
    ] = None,
) -> None:
    """Write the report, a page that needs no other file, or bring the tables of Markdown files up to date, or both.

    Tables, plots and the command behind each come from the JSON files, and learning curves from files whose names end
    in curves.csv; what is missing is said to be missing. In Markdown, what stands between `<!-- figures: NAME -->` and
    `<!-- end -->` is replaced: benchmark, headline, comparison, sweep, ablation, checks, volumes, rivals or speed.
    Those tables, and the page's summary, are of the default settings alone; on the page other settings stand under
    titles that name them. The page names results of other weights than those of --weights, the bundled ones if left
    out; with --readme they are refused.
    """
    from NeuralDiffusionLib.engine.weights import BUNDLED_WEIGHTS

    from ..reporting.readme_figures import has_figures, with_figures
    from ..reporting.results import files_of_results, names_of, read_results, refuse_other_weights

    pages = readme or []
    if output is None and not pages:
        raise CommandError("Nothing to write: name an HTML file, or a README with --readme.")
    for path in (example, *pages):
        if path is not None:
            check_is_file("File", path, "name another")
    checkpoints = [name_and_checkpoint(one) for one in trained or []]
    read = [example, weights, *(path for _, path in checkpoints), *files_of_results(results)]
    check_outputs(output, *pages, inputs=read)
    texts = [_read_text(path) for path in pages]
    measured = read_results(results)
    # Tables of a page that is there already are not emptied for want of results.
    if not (measured.files or (measured.curves and not pages)):
        raise CommandError(f"Folder '{results}' holds no results: run neural-diffusion evaluate with --json first.")
    for path, text in zip(pages, texts, strict=True):
        if not has_figures(text):
            raise CommandError(
                f"File '{path}' has no place for tables: write '<!-- figures: benchmark -->' and '<!-- end -->' where "
                "one shall stand."
            )
    denoiser = chosen_denoiser("cpu", weights)
    if pages:
        names = names_of(denoiser.weights_sha256, denoiser.weights_metadata)
        refuse_other_weights(measured, results, weights or BUNDLED_WEIGHTS, names)
    written = [with_figures(text, measured) for text in texts]
    if output is not None:
        from ..benchmark.learned import trained as trained_network
        from ..reporting.report import report as page

        networks = [trained_network(name, path, device="cpu") for name, path in checkpoints]
        html = page(measured, denoiser, example, networks)
        write_text(output, html)
        typer.echo(f"Report of {len(measured.files)} files of results written to {output}.")
    for path, text in zip(pages, written, strict=True):
        write_text(path, text)
        typer.echo(f"Tables of {path} brought up to date.")


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise CommandError(f"File '{path}' cannot be read ({error.strerror}): name another.") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"File '{path}' is not UTF-8 text: save it as UTF-8 first.") from error
