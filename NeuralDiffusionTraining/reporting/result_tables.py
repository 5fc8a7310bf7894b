"""Results as Markdown: the same tables for the README, the model card and the report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from NeuralDiffusionLib import NOISE_TYPES

from ..benchmark.figure_text import (
    count_text,
    difference_text,
    figure_text,
    interval_text,
    mean_text,
    number_text,
    with_star,
)
from ..benchmark.methods import CLASSICAL_GROUPS, NO_REFINEMENT, PEER_GROUP, PUBLISHED_GROUP
from ..benchmark.published import ORIGINAL_PSNR_DB, ORIGINAL_ROWS
from ..benchmark.tables import to_markdown
from ..data.corruption import level_in_words
from ..files.markdown import markdown_table
from .measured_settings import DEFAULTS, is_default, is_default_cell, other_settings
from .results import Result, Results, best_row, noisy_row, our_rows, splits_of

NOT_MEASURED = "Not measured."
_NOT_AT_DEFAULTS = "Not measured at the default settings."

_CONTRASTS, _RADII = (3, 1), (1, 2, 4)
_PUBLISHED_SLICES = 450
"""All test slices of the original split, on which `ORIGINAL_ROWS` were measured."""
_TITLES = {"rician": "Rician", "gaussian": "Gaussian", "speckle": "Speckle", "mixed": "Mixed, type not told"}
_IN_WORDS = {
    "rician": "Rician noise",
    "gaussian": "Gaussian noise",
    "speckle": "speckle",
    "mixed": "mixed noise, type not told",
}


def table(headings: Sequence[str], lines: Sequence[Sequence[str]], words: int = 1) -> str:
    """A Markdown table as of `markdown_table`, or a sentence if it has no line."""
    return markdown_table(headings, lines, words) if lines else NOT_MEASURED


def missing(measured: Sequence[Result]) -> str:
    """What stands in the place of a table of the default settings, beside what was measured at any."""
    return _NOT_AT_DEFAULTS if measured else NOT_MEASURED


def noise_table(results: Results) -> str:
    """One line for each noise type and split: the noisy slices, the best other methods, ours."""
    lines = []
    for split in splits_of(results.tables()):
        for noise in NOISE_TYPES:
            found = [one for one in results.tables(split) if one.content["noise"] == noise]
            if not found:
                continue
            content = found[0].content
            rows = content["rows"]
            ours = our_rows(rows)
            cells = [
                _three(noisy_row(rows)),
                _three(best_row(rows, *CLASSICAL_GROUPS), named=True),
                _three(best_row(rows, PEER_GROUP, sigma="estimated"), named=True),
                _three(next((row for row in ours if row["method"].endswith(NO_REFINEMENT)), None)),
                _three(ours[0] if ours else None),
            ]
            lines.append([_TITLES[noise], split, f"{content['slices']}", *cells])
    if not lines:
        return missing(results.of("evaluation"))
    others = ["Best classical filter", "Best other program, blind"]
    return table(["Noise", "Split", "Slices", "Noisy input", *others, "No refinement", "Full"], lines, words=2)


def comparison_table(results: Results) -> str:
    """Every row of the headline table, with fewer columns than `full_table`."""
    found = results.headline()
    return _comparison(found.content, found.content["rows"]) if found else missing(results.of("evaluation"))


def headline_table(results: Results) -> str:
    """`comparison_table` without the classical filters that another one of their kind surpasses."""
    found = results.headline()
    if found is None:
        return missing(results.of("evaluation"))
    rows = found.content["rows"]
    best = [best_row(rows, group) for group in CLASSICAL_GROUPS]
    return _comparison(found.content, [row for row in rows if not _is_classical(row) or row in best])


def _is_classical(row: dict[str, Any]) -> bool:
    """Whether it is a filter, as published, tuned, or with the defaults of the program it is from."""
    return row["group"] in CLASSICAL_GROUPS or (row["group"] == PEER_GROUP and row["sigma"] == "none")


def _comparison(content: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    headings = ["Method", "Sigma", "PSNR dB (95 % CI)", "in head dB", "SSIM", "Edge MSE", "Parameters", "MAC / pixel"]
    lines = []
    for row in rows:
        cells = [interval_text(row["psnr_db"], 2), *(figure_text(row[name], name) for name in ("psnr_head_db", "ssim"))]
        cells += [
            figure_text(row["edge_mse"], "edge_mse"),
            count_text(row["parameters"]),
            count_text(row["macs_per_pixel"]),
        ]
        lines.append([row["method"], row["sigma"], *cells])
    if _is_published(content):
        # What was published has neither intervals nor figures of the head.
        for name, row in ORIGINAL_ROWS.items():
            cells = [number_text(row["psnr_db"], 2), "", number_text(row["ssim"], 3), number_text(row["edge_mse"], 3)]
            lines.append([name, "none", *cells, count_text(row["parameters"]), ""])
    return with_star(table(headings, lines, words=2))


def full_table(result: Result) -> str:
    """Every figure of an evaluation."""
    return to_markdown(result.content["rows"])


def published(content: dict[str, Any]) -> list[str]:
    """A sentence with what the original project published, beside the evaluation of the same kind; else nothing."""
    if not (_is_published(content) and best_row(content["rows"], PUBLISHED_GROUP)):
        return []
    rows = [
        f"{name}: {number_text(row['psnr_db'], 2)} dB / {number_text(row['ssim'], 3)} / "
        f"{number_text(row['edge_mse'], 3)}"
        for name, row in ORIGINAL_ROWS.items()
    ]
    return [f"On another draw of the noise (PSNR / SSIM / edge MSE): {'; '.join(rows)}."]


def _is_published(content: dict[str, Any]) -> bool:
    measured = (content["noise"], content["split"], content["slices"])
    return is_default(content) and measured == ("rician", "original", _PUBLISHED_SLICES)


def evaluation_title(content: dict[str, Any]) -> str:
    """In words, what an evaluation, or checks of fidelity, are of."""
    return f"{_noise_and_settings(content)}: {content['slices']} {content['part']} slices, {content['split']} split"


def segmentation_title(content: dict[str, Any]) -> str:
    """In words, what the table of a segmentation is of."""
    split = content.get("split", "by chance")
    words = "split by chance" if split == "by chance" else f"{split} split"
    return f"{_noise_and_settings(content)}: {content['test_slices']} test slices, {words}"


def _noise_and_settings(content: dict[str, Any]) -> str:
    noise = _IN_WORDS[content["noise"]]
    level = level_in_words(content.get("sigma"))
    return ", ".join([f"{noise[0].upper()}{noise[1:]}", level, *other_settings(content)])


def first_sweep_table(results: Results) -> str:
    """`sweep_table` of the original split, or of another one where there is none, with its title."""
    found = [one.content for one in results.sweeps() if is_default(one.content)]
    usual = [content for content in found if any(map(is_default_cell, content["cells"]))]
    return f"{sweep_title(usual[0])}\n\n{sweep_table(usual[0])}" if usual else missing(results.of("sweep"))


def sweep_title(content: dict[str, Any]) -> str:
    """In words, what the table of a sweep is of."""
    # Neighbourhood and iterations are of its cells.
    others = other_settings({name: value for name, value in content.items() if name not in DEFAULTS})
    settings = [f"{DEFAULTS['neighbours']} neighbours", f"{DEFAULTS['iterations']} iterations", *others]
    return f"{content['slices']} {content['part']} slices, {content['split']} split, {', '.join(settings)}; PSNR in dB."


def sweep_table(content: dict[str, Any]) -> str:
    """PSNR by noise type and level, default iterations; on the original split beside that of the original project."""
    is_original = content["split"] == "original"
    lines = []
    gains = []
    for cell in content["cells"]:
        if not is_default_cell(cell):
            continue
        full = cell["full"]["psnr_db"]
        cells = [mean_text(cell[picture]["psnr_db"], 2) for picture in ("noisy", "diffused", "full")]
        cells += [number_text(cell["full"].get("lowest_psnr_db"), 2), _worse(cell["full"])]
        if is_original:
            theirs = ORIGINAL_PSNR_DB[cell["noise"]].get(cell["sigma"])
            cells += [number_text(theirs, 2), "" if theirs is None else f"{full['mean'] - theirs:+.2f}"]
            if theirs is not None and cell["noise"] != "mixed":
                gains.append(full["mean"] - theirs)
        lines.append([_TITLES[cell["noise"]], f"{cell['sigma']:g}", *cells])
    headings = ["Noise", "Sigma", "Noisy", "No refinement", "Full", "Lowest of a slice", "Slices made worse"]
    headings += ["Original project", "Gain"] if is_original else []
    text = with_star(table(headings, lines))
    if not gains:
        return text
    above = sum(gain > 0 for gain in gains)
    return (
        f"{text}\n\nAbove the original project in {above} of {len(gains)} cells (mixed noise not counted), by "
        f"{sum(gains) / len(gains):.2f} dB on average."
    )


def _worse(picture: dict[str, Any]) -> str:
    """How many slices lost, and the most that one lost; nothing where that was not measured, or there was no noise."""
    count = picture.get("worse_slices")
    if count is None:
        return ""
    return f"{count}, by up to {picture['largest_loss_db']:.2f}" if count else "0"


def ablation_table(result: Result) -> str:
    """One line for each variant: with and without refinement, and what it loses against the first."""
    rows = result.content["rows"]
    lines = []
    for name in dict.fromkeys(row["variant"] for row in rows):
        of_variant = [row for row in rows if row["variant"] == name]
        if noisy_row(of_variant) is not None:
            continue
        refined = of_variant[0]
        alone = next((row for row in of_variant if not row["refined"]), None)
        lost = refined["difference_psnr_db"]
        lines.append(
            [
                name,
                interval_text(refined["psnr_db"], 2),
                "" if lost is None or lost["mean"] == 0 else interval_text(lost, 2, signed=True),
                figure_text(alone["psnr_db"], "psnr_db") if alone else "",
                *(figure_text(refined[one], one) for one in ("psnr_head_db", "ssim", "edge_mse")),
                count_text(refined["parameters"]),
                count_text(refined["macs_per_pixel"]),
            ]
        )
    headings = ["Variant", "PSNR dB (95 % CI)", "minus first dB", "no refinement dB", "in head dB", "SSIM", "Edge MSE"]
    return table([*headings, "Parameters", "MAC / pixel"], lines)


def ablation_title(content: dict[str, Any]) -> str:
    """In words, what an ablation is of."""
    seed = f" with seed {content['seed']}" if content.get("seed") else ""
    # Rounding differs with them, and so does what equal runs come to.
    threads = f", with {content['threads']} threads" if content.get("threads", 1) > 1 else ""
    return (
        f"Every network trained {content['epochs']} epochs{seed} on the same data{threads}, then measured on "
        f"{content['slices']} test slices of the {content['split']} split, "
        f"{_IN_WORDS[content.get('noise', 'rician')]}."
    )


def volumes_summary(results: Results) -> str:
    """PSNR in the head by method and noise level, mean over the volumes; a table a file of the default settings."""
    found = results.volumes()
    usual = [one.content for one in found if is_default(one.content)]
    return "\n\n".join(map(_volumes_table, usual)) or missing(found)


def _volumes_table(content: dict[str, Any]) -> str:
    rows = content["rows"]
    sigmas = sorted({row["sigma"] for row in rows})
    volumes = list(dict.fromkeys(row["volume"] for row in rows))
    lines = []
    for method in dict.fromkeys(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == method]
        means = [[row["psnr_head_db"] for row in own if row["sigma"] == sigma] for sigma in sigmas]
        harmed = sum(row["below_noisy"] for row in own)
        cells = [f"{sum(of) / len(of):.2f}" if len(of) == len(volumes) else "" for of in means]
        lines.append([method, own[0]["noise_level"], *cells, f"{harmed} of {len(own)}" if harmed else "never"])
    text = table(["Method", "Noise level", *(f"{100 * one:g} %" for one in sigmas), "Worse than noisy"], lines, words=2)
    return f"{text}\n\nMean over {_part_of_scan(content)} of: {', '.join(volumes)}."


def _part_of_scan(content: dict[str, Any]) -> str:
    return f"the {content['slices']} middle slices" if content["slices"] else "all slices"


def volumes_title(content: dict[str, Any]) -> str:
    """In words, what the tables of whole scans are of."""
    part = f"{_part_of_scan(content)} of each scan"
    return ", ".join([f"{part[0].upper()}{part[1:]}", *other_settings(content)])


def volume_tables(result: Result) -> str:
    """One table for each volume, under the title of all of them."""
    from ..benchmark.volumes.evaluation import VolumeRow
    from ..benchmark.volumes.tables import to_markdown as volumes_to_markdown

    # Whoever wrote the file may have put other keys beside.
    known = {field.name for field in fields(VolumeRow)}
    rows = [{name: value for name, value in row.items() if name in known} for row in result.content["rows"]]
    return f"### {volumes_title(result.content)}\n\n{volumes_to_markdown([VolumeRow(**row) for row in rows]).strip()}"


def checks_summary(results: Results) -> str:
    """Lesion contrast that is left, false lesions and pixels outside the envelope, a line for each method.

    Beside the false lesions stands their paired difference from ours, if the file has it. What is not of Rician noise
    on the original split has a title.
    """
    found = [one.content for one in results.checks() if is_default(one.content)]
    if not found:
        return missing(results.of("checks"))
    content = found[0]
    is_usual = (content["noise"], content["split"]) == ("rician", "original")
    title = "" if is_usual else f"{evaluation_title(content)}.\n\n"
    compared = any(row.get("difference_per_slice") for row in content["false_lesions"])
    lines = []
    for method in dict.fromkeys(row["method"] for row in content["envelope"]):

        def row_of(part: str, method: str = method, **where: Any) -> dict[str, Any]:
            wanted = {"method": method, **where}.items()
            return next((row for row in content[part] if all(row[key] == value for key, value in wanted)), {})

        contrast = [
            _mean(row_of("lesions", radius_px=radius, cnr=cnr), "recovered") for cnr in _CONTRASTS for radius in _RADII
        ]
        false = row_of("false_lesions", radius_px=2, cnr=1)
        outside = [_mean(row_of("envelope", window_px=window), "outside") for window in _windows(content)]
        cells = [number_text(100 * one, 0) for one in contrast]
        cells += [number_text(_mean(false, "per_slice"), 2)]
        cells += [difference_text(false.get("difference_per_slice"), 2)] if compared else []
        lines.append([method, *cells, *(number_text(100 * one, 2) for one in outside)])
    headings = ["Method", *(f"left of {cnr} sigma, {radius} px, %" for cnr in _CONTRASTS for radius in _RADII)]
    headings += ["false ones a slice", *(["false ones minus ours (95 % CI)"] if compared else [])]
    headings += [f"outside {_window_name(window)}, %" for window in _windows(content)]
    return f"{title}{table(headings, lines)}"


def _mean(row: dict[str, Any], name: str) -> float:
    """NaN where there is no such row."""
    return row[name]["mean"] if row else math.nan


def _windows(content: dict[str, Any]) -> list[int | None]:
    return list(dict.fromkeys(row["window_px"] for row in content["envelope"]))


def _window_name(window: int | None) -> str:
    return "the slice's range" if window is None else f"{window} x {window}"


def _three(row: dict[str, Any] | None, named: bool = False) -> str:
    if row is None:
        return ""
    words = " / ".join(figure_text(row[name], name) for name in ("psnr_db", "ssim", "edge_mse"))
    return f"{row['method']}: {words}" if named else words
