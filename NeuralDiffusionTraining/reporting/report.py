"""The report: everything that was measured on one page, which needs no other file, no script and no network."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup
from matplotlib.figure import Figure

from NeuralDiffusionLib import NOISE_TYPES, __version__
from NeuralDiffusionLib.engine.denoiser import Denoiser

from ..benchmark.figure_text import figure_text
from ..benchmark.methods import CLASSICAL_GROUPS, OUR_RUNS, PEER_GROUP, TRAINED_GROUP, Method
from ..data.corruption import BENCHMARK_SIGMAS
from . import result_tables as tables
from .example_slices import example
from .further_abilities import further
from .measured_settings import DEFAULTS, is_default
from .near_copies import what_flatters
from .plots import as_png, as_svg, bars_figure, curves_figure
from .readme_figures import speed_tables
from .results import Result, Results, best_row, names_of, noisy_row, our_rows
from .sweep_plots import SWEEP_DPI, sweep_figures

_TEMPLATE = "report_template.html"


_LIMITS = """\
- Br35H holds neither patient numbers nor the noise-free truth: its slices are JPEG pictures from the web, many of them
  copies of each other. Intervals are bootstrapped over groups of near-duplicates; the `grouped` split keeps each group
  on one side.
- The noise is simulated and the same everywhere in a slice. A noise level of 0.20 is far beyond what a clinic accepts.
- Networks were trained once, with one seed, but for those that are listed with others; the noise was drawn once, but
  for the tables that name another draw.
- Times beside the figures were taken one after the other while the computer's speed drifted; those under *Speed* were
  taken in turns.
- PSNR over the whole slice mostly scores the air around the head; read the figures inside the head beside it.
- The clean volumes have noise of their own, which bounds every figure at low noise levels.
- Research software; nothing here says anything about diagnosis."""


@dataclass(frozen=True)
class Section:
    """A heading, and parts of HTML below it."""

    anchor: str
    title: str
    parts: tuple[Markup, ...]


def report(results: Results, denoiser: Denoiser, scan: Path | None, trained: Sequence[Method] = ()) -> str:
    """Return the page.

    Parameters
    ----------
    results
        What was measured; what is missing is said to be missing.
    denoiser
        With the weights that the results are of; it denoises the example.
    scan
        Scan of the example slices; ``None`` for the template of the package nilearn.
    trained
        Other networks that the example shows.

    Raises
    ------
    CommandError
        If the example cannot be made.
    """
    names = names_of(denoiser.weights_sha256, denoiser.weights_metadata)
    sections = [
        Section("headline", "Summary", (_text(headline(results, denoiser)),)),
        Section("example", "Example slices", _example(denoiser, scan, trained)),
        Section("noise", "By noise type and split", _by_noise(results)),
        Section("tables", "Every method", tuple(part for one in _evaluations(results) for part in _evaluation(one))),
        Section("sweep", "Noise level, neighbourhood, iterations", _sweep(results)),
        Section("ablation", "What each part brings", _ablations(results)),
        Section("checks", "Small lesions and new extrema", _checks(results)),
        Section("volumes", "Real volumes", _volumes(results)),
        Section("segmentation", "Segmentation after denoising", _segmentation(results)),
        Section("speed", "Speed", (_text(speed_tables(results)),)),
        Section("curves", "Learning curves", _curves(results)),
        Section("further", "Further abilities", (_text(further(results, names)),)),
        Section("limits", "Limits", (_text(limits(denoiser.weights_metadata.get("split_sha256", ""))),)),
        Section("files", "How each figure was made", (_text(commands(results)),)),
    ]
    page = Environment(
        loader=PackageLoader("NeuralDiffusionTraining", "reporting"), autoescape=True, undefined=StrictUndefined
    ).get_template(_TEMPLATE)
    return page.render(
        title="Neural Diffusion: what was measured",
        version=__version__,
        sections=[Section(one.anchor, one.title, one.parts or (_text(tables.NOT_MEASURED),)) for one in sections],
    )


def limits(split_sha256: str) -> str:
    """What the figures do not tell, of weights that were trained on the split of this hash; Markdown."""
    flattered = what_flatters(split_sha256)
    return f"{_LIMITS}\n- {flattered}" if flattered else _LIMITS


def headline(results: Results, denoiser: Denoiser) -> str:
    """What was measured, on which data, with which weights, and the figure that counts most; Markdown."""
    lines = [
        "A learned Perona-Malik diffusion removes noise from MR slices, here measured against what else there is. Ours "
        "is blind throughout: it is told the noise type (for mixed noise not even that), never the noise level.",
        f"Weights: SHA-256 `{denoiser.weights_sha256}`.",
    ]
    found = results.headline()
    if found is None:
        lines.append(f"The table of the benchmark: {tables.missing(results.of('evaluation'))}")
    else:
        content = found.content
        lines.append(f"**{tables.evaluation_title(content)}:** {_comparison_in_words(content['rows'])}")
    ours = names_of(denoiser.weights_sha256, denoiser.weights_metadata)
    other = sorted({one.name for one in results.files if not one.concerns(ours)})
    if other:
        lines.append(f"**Measured with other weights than these: {', '.join(f'`{name}`' for name in other)}.**")
    if results.unknown:
        lines.append(f"Not understood, and left out: {', '.join(f'`{name}`' for name in results.unknown)}.")
    return "\n\n".join(lines)


def commands(results: Results) -> str:
    """The command behind every file of results; Markdown."""
    lines = [
        [f"`{one.name}.json`", f"`{one.content['command']}`", str(one.content.get("hardware", ""))]
        for one in results.files
    ]
    return tables.table(["File", "Command", "Machine"], lines, words=3)


def _comparison_in_words(rows: Sequence[dict]) -> str:
    ours, noisy = our_rows(rows), noisy_row(rows)
    if not ours:
        return "no row of ours."
    full = ours[0]
    # Short runs of ours stand among the networks trained here.
    others = [row for row in rows if not row["method"].startswith(OUR_RUNS)]
    figures = ", ".join(
        f"{name} {figure_text(full[key], key)}"
        for name, key in (("PSNR in dB", "psnr_db"), ("inside the head", "psnr_head_db"), ("SSIM", "ssim"),
                          ("edge MSE", "edge_mse"))
    )  # fmt: skip
    words = [f"{figures}."]
    if noisy:
        words.append(f"The noisy slices: {figure_text(noisy['psnr_db'], 'psnr_db')} dB.")
    rivals = [
        ("best classical filter", best_row(rows, *CLASSICAL_GROUPS)),
        ("best other program, noise level estimated", best_row(rows, PEER_GROUP, sigma="estimated")),
        ("best other program, true noise level given", best_row(rows, PEER_GROUP, sigma="true")),
        ("best other network trained here", best_row(others, TRAINED_GROUP)),
    ]
    words += [
        f"The {name}: {figure_text(row['psnr_db'], 'psnr_db')} dB ({row['method']})." for name, row in rivals if row
    ]
    return " ".join(words)


def _by_noise(results: Results) -> tuple[Markup, ...]:
    if not results.tables():
        return (_text(tables.missing(results.of("evaluation"))),)
    low, high = BENCHMARK_SIGMAS
    words = (
        f"PSNR in dB / SSIM / edge MSE; test slices, sigma drawn from {low:.2f}-{high:.2f}, "
        f"{DEFAULTS['iterations']} iterations, {DEFAULTS['neighbours']} neighbours."
    )
    return _text(words), _text(tables.noise_table(results))


def _evaluations(results: Results) -> list[Result]:
    """Tables at the default settings first, Rician noise first."""

    def order(one: Result) -> tuple:
        content = one.content
        return not is_default(content), content["split"] != "original", NOISE_TYPES.index(content["noise"]), one.name

    return sorted(results.of("evaluation"), key=order)


def _evaluation(result: Result) -> tuple[Markup, ...]:
    content = result.content
    title = tables.evaluation_title(content)
    notes = [
        f"{content.get('groups', '')} groups of near-duplicates; difference: paired, against the first row of ours; "
        f"times: {content.get('timing', 'as measured')} on {content['device']}.",
        *tables.published(content),
        *content.get("skipped", []),
    ]
    return (
        Markup(f"<h3>{escape(title)}</h3>"),
        _svg(bars_figure(content["rows"]), f"PSNR, SSIM and edge MSE of every method: {title}"),
        _text(tables.full_table(result)),
        _text(" ".join(notes)),
    )


def _sweep(results: Results) -> tuple[Markup, ...]:
    parts: list[Markup] = []
    for content in (one.content for one in results.sweeps()):
        parts += [_text(tables.sweep_title(content)), _text(tables.sweep_table(content))]
        # Measured at the default settings alone, nothing is drawn over them.
        if len({cell["iterations"] for cell in content["cells"]}) > 1:
            drawn = sweep_figures(content["cells"], content["split"]).values()
            parts += [_png(as_png(one, SWEEP_DPI), "Quality over the settings of the sweep") for one in drawn]
    return tuple(parts)


def _ablations(results: Results) -> tuple[Markup, ...]:
    return tuple(
        _text(f"{tables.ablation_title(one.content)}\n\n{tables.ablation_table(one)}") for one in results.of("ablation")
    )


def _checks(results: Results) -> tuple[Markup, ...]:
    from ..benchmark.checks.fidelity_tables import to_markdown

    return tuple(
        _text(f"{tables.evaluation_title(one.content)}.\n\n{to_markdown(one.content)}") for one in results.checks()
    )


def _volumes(results: Results) -> tuple[Markup, ...]:
    found = results.volumes()
    if not found:
        return ()
    words = "Rician noise; PSNR in dB inside the head."
    return _text(words), _text(tables.volumes_summary(results)), *(_text(tables.volume_tables(one)) for one in found)


def _segmentation(results: Results) -> tuple[Markup, ...]:
    from ..benchmark.checks.segmentation_tables import to_markdown

    return tuple(
        _text(to_markdown(one.content["rows"], tables.segmentation_title(one.content)))
        for one in results.of("segmentation")
    )


def _curves(results: Results) -> tuple[Markup, ...]:
    parts: list[Markup] = []
    for stem, curves in results.curves.items():
        name = stem.removesuffix("curves").strip("_.-") or "the shipped weights"
        parts += [
            Markup(f"<h3>{escape(name)}</h3>"),
            _svg(curves_figure(curves), f"Learning curves: {name}"),
        ]
    return tuple(parts)


def _example(denoiser: Denoiser, scan: Path | None, trained: Sequence[Method]) -> tuple[Markup, ...]:
    made = example(scan, denoiser, trained)
    return _png(as_png(made.figure), made.description, wide=True), _text(made.description)


def _text(markdown: str) -> Markup:
    html = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    # A table that is wider than a phone scrolls by itself.
    html = html.replace("<table>", '<div class="scroll"><table>').replace("</table>", "</table></div>")
    return Markup(html)


def _svg(figure: Figure, description: str) -> Markup:
    drawing = as_svg(figure).replace("<svg ", f'<svg role="img" aria-label="{escape(description, quote=True)}" ', 1)
    return Markup(f'<figure class="scroll">{drawing}</figure>')


def _png(picture: bytes, description: str, wide: bool = False) -> Markup:
    encoded = base64.b64encode(picture).decode()
    kind = "scroll wide" if wide else "scroll"
    source = f"data:image/png;base64,{encoded}"
    return Markup(f'<figure class="{kind}"><img alt="{escape(description, quote=True)}" src="{source}"></figure>')
