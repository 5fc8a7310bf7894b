"""What in a chosen volume lies outside of the network's training, as far as that can be told without a run."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import slicer

from ...engine.domain_checks import intensity_warnings, shape_warnings, sigma_warnings
from ...engine.intensity import estimate_range
from ...engine.settings import DenoiseSettings
from ...errors import InvalidVolumeError
from ..nodes.planes import spacing_kji

# Read within a few hundredths of a second, and enough to find the intensity range.
_SAMPLED_VOXELS = 1_000_000


class _Intensities(NamedTuple):
    """What some of a volume's voxels tell; without a range the volume cannot be denoised, which a run will say."""

    range: tuple[float, float] | None
    warnings: list[str]


class InputWarnings:
    """Finds what `domain_checks` warns of, cheaply enough for the main thread: the voxels are sampled, and only once.

    A sample of a large volume may tell another share of voxels or a slightly other intensity range than a run does.
    """

    def __init__(self) -> None:
        self._about: tuple | None = None
        self._intensities = _Intensities(None, [])

    def find(
        self,
        volume: slicer.vtkMRMLScalarVolumeNode,
        settings: DenoiseSettings,
        three_planes: bool = False,
        sigma: float | None = None,
        anew: bool = True,
    ) -> list[str]:
        """Find what a run would warn of.

        Parameters
        ----------
        volume
            One that `check_input` takes.
        settings
            What to do; the slice axis is not ``None``.
        three_planes
            Whether the slices of all three axes are denoised.
        sigma
            The noise level if it is known, in image units (speckle: relative to the signal).
        anew
            Whether to read voxels that have changed since; else what was found along that axis before holds.

        Returns
        -------
        list of str
            Sentences, as from `domain_warnings`.
        """
        shape, spacing = volume.GetImageData().GetDimensions()[::-1], spacing_kji(volume)
        found = [
            shape_warnings(shape, spacing, axis) for axis in ((0, 1, 2) if three_planes else [settings.slice_axis])
        ]
        intensities = self._read(volume, settings.slice_axis, anew)
        found.append(intensities.warnings)
        if sigma is not None and intensities.range is not None:
            relative, given = settings.noise == "speckle", settings.sigma is not None
            found.append(sigma_warnings(sigma, *intensities.range, relative_sigma=relative, sigma_is_given=given))
        # Each once, in the order in which they were found.
        return list(dict.fromkeys(sentence for sentences in found for sentence in sentences))

    def _read(self, volume: slicer.vtkMRMLScalarVolumeNode, axis: int, anew: bool) -> _Intensities:
        image = volume.GetImageData()
        about = (volume.GetID(), image.GetMTime(), axis)
        is_another = self._about is None or self._about[::2] != about[::2]
        if is_another or (anew and about != self._about):
            slices = np.moveaxis(slicer.util.arrayFromVolume(volume), axis, 0)
            step = -(-slices.size // _SAMPLED_VOXELS)
            slices = slices[min(step, len(slices)) // 2 :: step]
            # VTK keeps the scalar range of all voxels.
            self._about, self._intensities = about, _intensities(slices, image.GetScalarRange()[0])
        return self._intensities


def _intensities(slices: np.ndarray, lowest: float) -> _Intensities:
    if not np.isfinite(slices).all():
        return _Intensities(None, [])
    try:
        low, high = estimate_range(slices)
    except InvalidVolumeError:
        return _Intensities(None, [])
    return _Intensities((low, high), intensity_warnings(slices, lowest, low, high))
