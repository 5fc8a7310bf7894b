"""`neural-diffusion bench`: how fast ours is beside what a user would pick instead."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from NeuralDiffusionLib import DenoiseSettings

from ..files.command_error import CommandError
from ..files.result_files import check_outputs, write_json, write_text
from .benchmark_options import Device, JsonFile, MarkdownFile, Own, OwnTold, Weights
from .chosen import chosen_denoiser
from .table_rows import name_and_checkpoint

_PICTURES = (".png", ".svg", ".pdf")


def bench(
    device: Device = "auto",
    repeats: Annotated[int, typer.Option(min=1, help="Runs of each method.")] = 5,
    patience: Annotated[
        float, typer.Option(min=0, help="Seconds after which no further run of a method begins.")
    ] = 180.0,
    slices: Annotated[int, typer.Option(min=1, help="Slices of the volume.")] = 180,
    side: Annotated[int, typer.Option(min=16, help="Rows and columns of a slice.")] = 256,
    trained: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=CHECKPOINT",
            help="A network that 'train' trained, in the engine of ours; repeat for more. Without any, the plain U-Net "
            "and the DnCNN-class network are timed untrained, without a PSNR.",
        ),
    ] = None,
    own: Own = None,
    own_told: OwnTold = None,
    weights: Weights = None,
    scaling: Annotated[
        bool, typer.Option("--scaling/--no-scaling", help="Time over slices, sizes, iterations and threads, too.")
    ] = True,
    large: Annotated[
        bool,
        typer.Option("--large/--no-large", help="Send 1024 x 1024 x 600 voxels through the CPU, too: needs 8 GB."),
    ] = True,
    compiled: Annotated[
        bool, typer.Option("--compile", help="Time ours with torch.compile, too: needs a C++ compiler.")
    ] = False,
    json_file: JsonFile = None,
    markdown_file: MarkdownFile = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the scaling into this file: .png, .svg or .pdf.")] = None,
) -> None:
    """Time ours and its rivals on one noisy volume, in one process on one device, and say where the time goes.

    They take turns, so that what slows the computer for a while slows them all. The rivals run with their own defaults
    and on the CPU; those that are not installed are left out with a line. The volume is the T1 template of nilearn
    where that is installed, else a generated head, with 9 % Rician noise. A function of your own gets the whole volume
    in one call, as from evaluate-volumes, and runs once before it is timed. The JSON file is written anew after each
    run: what was measured before an interruption is kept.
    """
    from rich.markdown import Markdown

    from NeuralDiffusionLib.engine.weights import BUNDLED_WEIGHTS

    from ..benchmark.methods import check_names
    from ..benchmark.own_methods import own_files, own_methods
    from ..benchmark.run_facts import device_name, run_facts
    from ..files.terminal import terminal, then_shown
    from ..networks.registry import NETWORKS
    from ..speed import scaling as curves
    from ..speed.bench import bench as time_all
    from ..speed.bench_volume import SIGMA, add_noise, clean_volume
    from ..speed.large_volume import large_volume
    from ..speed.levers import compiled as with_compiler
    from ..speed.levers import without_levers
    from ..speed.machine_share import machine_share
    from ..speed.subjects import classical, network, ours
    from ..speed.subjects import own as own_subjects
    from ..speed.tables import to_markdown
    from ..speed.where_time_goes import where_time_goes

    checkpoints = [name_and_checkpoint(text) for text in trained or []]
    own_rows, told_rows = own or [], own_told or []
    read = [weights, *(path for _, path in checkpoints), *own_files([*own_rows, *told_rows])]
    check_outputs(json_file, markdown_file, plot, inputs=read)
    if plot is not None and not scaling:
        raise CommandError("--plot draws the scaling: leave out --no-scaling.")
    if plot is not None and plot.suffix not in _PICTURES:
        raise CommandError(f"'{plot}' is no name for a picture: let it end in .png, .svg or .pdf.")
    added = own_subjects(own_methods(own_rows, told_rows))
    denoiser, settings = chosen_denoiser(device, weights), DenoiseSettings(across_slices=True)
    subjects = [*ours(denoiser, settings), *without_levers(denoiser, settings)]
    if compiled:
        subjects.append(with_compiler(denoiser, settings))
    if checkpoints:
        from ..networks.checkpoints import load_trained

        for name, checkpoint in checkpoints:
            subjects.append(network(name, load_trained(checkpoint).network, device, measured=True))
    else:
        for name, title in (("unet", "Plain U-Net, untrained"), ("dncnn", "DnCNN-class, untrained")):
            subjects.append(network(title, NETWORKS[name](), device, measured=False))
    filters, skipped = classical()
    subjects += [*added, *filters]
    check_names([subject.name for subject in subjects])
    clean = clean_volume((slices, side, side))
    noisy = add_noise(clean.voxels)
    progress = terminal(stderr=True)

    def tell(words: str) -> None:
        progress.print(f"Timing: {words}", highlight=False, soft_wrap=True)

    content: dict[str, Any] = {
        "kind": "bench",
        "finished": False,
        "rows": [],
        "parts": {},
        "machine": {},
        "scaling": {},
        "large": {},
        "volume": clean.name,
        "shape": list(noisy.shape),
        "sigma": SIGMA,
        "device": device_name(denoiser.device),
        "weights_sha256": denoiser.weights_sha256,
        "skipped": skipped,
        **run_facts(),
    }

    def keep() -> None:
        if json_file is not None:
            write_json(json_file, content)

    for rows in time_all(subjects, clean, noisy, repeats, patience, tell):
        content["rows"] = rows
        keep()
    tell("where the time goes")
    content["parts"] = where_time_goes(denoiser, noisy, settings)
    content["machine"] = machine_share(denoiser, noisy, settings, content["rows"][0]["median"])
    keep()
    for axis, curve in curves.scaling(denoiser, noisy, settings, report=tell) if scaling else ():
        content["scaling"][axis] = curve
        keep()
    if large:
        tell("a large volume")
        try:
            content["large"] = large_volume(weights=weights or BUNDLED_WEIGHTS)
        except MemoryError:
            skipped.append("A volume of 1024 x 1024 x 600 voxels is left out: the memory is too small for it.")
    content["finished"] = True
    keep()
    text = to_markdown(content)
    with then_shown(Markdown(text)):
        if markdown_file is not None:
            write_text(markdown_file, text)
        if plot is not None:
            from ..reporting.scaling_plot import plot_scaling

            plot_scaling(content["scaling"], plot)
