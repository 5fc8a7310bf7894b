"""`neural-diffusion adapt`: fit the weights to one's own noisy scans, without clean ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..files.command_error import CommandError
from ..files.result_files import check_outputs, check_weights_file, write_file
from ..files.words import counted
from ..training.limits import LARGEST_RATE, LARGEST_SEED
from .benchmark_options import Device, Noise
from .chosen import settings_of

_SMALLEST = 16
_LIMITS = (
    "Trained on single 2-D slices of the data named here, with simulated noise, then fitted to noisy scans that have "
    "no clean counterparts; not for diagnosis. What was measured of the weights before is not true of these."
)


def adapt(
    scans: Annotated[list[Path], typer.Argument(metavar="SCAN...", help="Noisy scans, as for 'denoise'.")],
    output: Annotated[Path, typer.Option(help="File of weights to write (.pt).")],
    noise: Noise = "rician",
    steps: Annotated[int, typer.Option(min=1, max=10**7, help="Training steps.")] = 400,
    batch_size: Annotated[int, typer.Option(min=1, max=10**4, help="Crops per step.")] = 8,
    learning_rate: Annotated[float, typer.Option(min=1e-7, max=LARGEST_RATE, help="Peak learning rate.")] = 3e-4,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of crops and hidden pixels.")] = 0,
    weights: Annotated[Path | None, typer.Option(help="Weights to start from; the bundled ones if left out.")] = None,
    device: Device = "auto",
) -> None:
    """Fit the weights to scans that have no clean counterpart (blind-spot training).

    Some pixels are hidden from the network, which learns to predict them from their surroundings. For scans that
    differ from the brain slices the bundled weights were trained on. Use the result with
    `neural-diffusion denoise --weights`; compare both before you rely on either.

    Example: neural-diffusion adapt knee1.nii.gz knee2.nii.gz --output knee.pt
    """

    from NeuralDiffusionLib.engine.devices import resolve_device
    from NeuralDiffusionLib.engine.intensity import check_volume
    from NeuralDiffusionLib.engine.weights import BUNDLED_WEIGHTS, load_weights, save_weights

    from ..files.scan_denoising import naming, read_source
    from ..files.terminal import terminal
    from ..reporting.results import FIGURES, MEASURED_AS
    from ..training.blind_spot import BlindSpotOptions, has_content
    from ..training.blind_spot import adapt as fit

    check_outputs(output, inputs=[*scans, weights])
    check_weights_file(output)
    settings_of(noise=noise)
    place = resolve_device(device)
    start = load_weights(weights or BUNDLED_WEIGHTS)
    volumes = []
    for scan in scans:
        # The slices on which 'denoise' uses the weights.
        voxels, _ = read_source(scan).as_acquired
        with naming(scan):
            check_volume(voxels)
            varied = has_content(voxels)
        if min(voxels.shape[1:]) < _SMALLEST:
            raise CommandError(
                f"Scan '{scan}' has slices of fewer than {_SMALLEST} pixels along a side: give one with larger slices."
            )
        if not varied:
            raise CommandError(f"Scan '{scan}' has only constant slices, nothing to learn from: give another.")
        volumes.append(voxels)
    options = BlindSpotOptions(noise, steps, batch_size, learning_rate, seed)
    network = fit(start.network, volumes, options, place)
    made = {
        **{name: value for name, value in start.metadata.items() if name not in (FIGURES, MEASURED_AS)},
        "adapted": f"blind-spot training on {counted(len(volumes), 'scan')}, {noise}, "
        f"{counted(steps, 'step')} of {counted(batch_size, 'crop')}, "
        f"learning rate {learning_rate:g}, seed {seed}"
        + (f"; before that: {start.metadata['adapted']}" if "adapted" in start.metadata else ""),
        "adapted_from_sha256": start.sha256,
        "limits": _LIMITS,
    }
    write_file(output, lambda unfinished: save_weights(unfinished, network, made))
    terminal().print(
        f"Weights fitted to {counted(len(volumes), 'scan')} in {counted(steps, 'step')} written to {output}.",
        highlight=False,
    )
