"""What the panel says of a run and of the noise: sentences for the user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from slicer.i18n import tr as _

if TYPE_CHECKING:
    from ...engine.noise_estimate import NoiseEstimate

_SHOWN_OF_SHA256 = 8


def noise_level_text(sigma: float, noise: str) -> str:
    """Return a noise level with its unit; `noise` is one of `settings.NOISE_TYPES`."""
    if noise == "speckle":
        return _("{percent:.3g} % of the signal").format(percent=100 * sigma)
    # Never a power of ten for what a scan may hold.
    number = f"{sigma:.0f}" if sigma >= 1000 else f"{sigma:.3g}"
    if noise == "mixed":
        return _("{sigma} in image units where the signal is strongest").format(sigma=number)
    return _("{sigma} in image units").format(sigma=number)


def estimate_text(estimate: NoiseEstimate, noise: str) -> str:
    """Return a sentence about the noise level and the signal-to-noise ratio that some slices tell."""
    basis = _("1 slice") if estimate.slices == 1 else _("{count} slices").format(count=estimate.slices)
    if estimate.sigma == 0:
        return _("Estimated from {slices}: no noise.").format(slices=basis)
    level = noise_level_text(estimate.sigma, noise)
    if estimate.snr is None:
        return _("Estimated from {slices}: {level}.").format(slices=basis, level=level)
    ratio = f"{estimate.snr:.0f}" if estimate.snr >= 10 else f"{estimate.snr:.1f}"
    return _("Estimated from {slices}: {level}, SNR {ratio}.").format(slices=basis, level=level, ratio=ratio)


def run_text(attributes: Mapping[str, str], sigma: float, frames: int, seconds: float) -> str:
    """Return two sentences about a run: what was done, how long it took, where, and with which weights and noise level.

    Parameters
    ----------
    attributes
        What the denoised volume says of itself, as from `read_provenance`.
    sigma
        Noise level of the whole run.
    frames
        Number of frames that were denoised; 1 for a volume.
    seconds
        How long it took.
    """
    what = _("'{name}'") if frames == 1 else _("all {frames} frames of '{name}'")
    what = what.format(name=attributes["InputVolume"], frames=frames)
    if "Mask" in attributes:
        what = _("{what} inside '{mask}'").format(what=what, mask=attributes["Mask"])
    level = noise_level_text(sigma, attributes["Noise"])
    source = _("estimated") if attributes["SigmaSource"] == "estimated" else _("given")
    return _(
        "Denoised {what} in {seconds:.1f} s on {device} with the weights {weights}. Noise level: {level} ({source})."
    ).format(
        what=what,
        seconds=seconds,
        device=attributes["Device"],
        weights=attributes["WeightsSHA256"][:_SHOWN_OF_SHA256],
        level=level,
        source=source,
    )
