"""Which way the slices lie: the acquired plane, the anatomical planes, and the mean over all three."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InvalidVolumeError
from ..translation import translator
from .intensity import check_volume, estimate_range
from .settings import DenoiseSettings

if TYPE_CHECKING:
    from .denoiser import Denoiser, DenoiseResult

_ = translator(__name__)

THICK_SLICE = 1.5
"""An axis this many times coarser than both others is taken for the one across the acquired slices."""

# The plane's normal in RAS: superior, anterior, right.
_NORMALS = {"axial": 2, "coronal": 1, "sagittal": 0}


def acquisition_axis(spacing_kji: Sequence[float], shape_kji: Sequence[int] | None = None) -> int:
    """Find the axis along which the slices were stacked when the scan was acquired.

    Parameters
    ----------
    spacing_kji
        Distance of neighbouring voxels along each axis of the array, (3,), in mm.
    shape_kji
        Number of voxels along each axis, (3,). If given, the axis of a lone slice is preferred to every other.

    Returns
    -------
    int
        The axis of a lone slice, else the one whose spacing is at least 1.5 times that of both others, else 0.
    """
    if shape_kji is not None and list(shape_kji).count(1) == 1:
        return list(shape_kji).index(1)
    widest = max(range(3), key=spacing_kji.__getitem__)
    return widest if is_thick(spacing_kji, widest) else 0


def is_thick(spacing_kji: Sequence[float], axis: int) -> bool:
    """Return whether the spacing (mm) along an axis is at least `THICK_SLICE` times that along both others."""
    others = (spacing for other, spacing in enumerate(spacing_kji) if other != axis)
    # A little less, for spacings such as 0.8 and 1.2 mm, whose ratio in a file is not exactly 1.5.
    return spacing_kji[axis] >= THICK_SLICE * max(others) * (1 - 1e-6)


def for_scan(settings: DenoiseSettings, spacing_kji: Sequence[float], shape_kji: Sequence[int]) -> DenoiseSettings:
    """Return settings that leave nothing open about the slices of a scan.

    Parameters
    ----------
    settings
        What was chosen: it holds.
    spacing_kji, shape_kji
        As for `acquisition_axis`, which is taken where no slice axis was chosen. Unless it was chosen whether a step
        across the slices follows, it does where they are not thick: see `is_thick`. A single slice has none.
    """
    axis, across = settings.slice_axis, settings.across_slices
    axis = acquisition_axis(spacing_kji, shape_kji) if axis is None else axis
    across = not is_thick(spacing_kji, axis) if across is None else across
    return replace(settings, slice_axis=axis, across_slices=across and shape_kji[axis] > 1)


def plane_axes(ijk_to_ras: np.ndarray) -> dict[str, int]:
    """Find the axis of the array across the slices of each anatomical plane.

    Parameters
    ----------
    ijk_to_ras
        IJK to RAS, (4, 4) or its upper left (3, 3), in mm; oblique, left-handed and sheared ones too.

    Returns
    -------
    dict
        The axis (0 to 2, order K, J, I) for ``"axial"``, ``"coronal"`` and ``"sagittal"``: three different ones, chosen
        so that the cosines between the slices' normals and those of the planes have the largest sum.

    Raises
    ------
    InvalidVolumeError
        If the matrix has no inverse.
    """
    matrix = np.asarray(ijk_to_ras, np.float64)[:3, :3]
    if not np.isfinite(matrix).all() or np.linalg.matrix_rank(matrix) < 3:
        raise InvalidVolumeError(
            _(
                "The volume's IJK to RAS matrix has no inverse, so its slices have no direction: correct its spacing "
                "and axis directions."
            )
        )
    # An index grows fastest across its slices, also where the axes are sheared: along its row of RAS to IJK.
    normals = np.linalg.inv(matrix)
    cosines = np.abs(normals / np.linalg.norm(normals, axis=1, keepdims=True))

    def agreement(axes: tuple[int, ...]) -> float:
        # Rounded, so that at exactly 45 degrees the order of the permutations decides and not the last bit.
        return round(sum(cosines[2 - axis, normal] for axis, normal in zip(axes, _NORMALS.values(), strict=True)), 9)

    return dict(zip(_NORMALS, max(permutations(range(3)), key=agreement), strict=True))


def plane_name(ijk_to_ras: np.ndarray, axis: int) -> str:
    """Name the plane in which the slices across an axis of the array lie: "axial", "coronal" or "sagittal".

    Parameters
    ----------
    ijk_to_ras
        As for `plane_axes`.
    axis
        Of the array, 0 to 2, in the order K, J, I.

    Raises
    ------
    InvalidVolumeError
        If the matrix has no inverse.
    """
    return next(name for name, across in plane_axes(ijk_to_ras).items() if across == axis)


def denoise_three_planes(
    denoiser: Denoiser,
    volume: np.ndarray,
    settings: DenoiseSettings | None = None,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    scalar_type: np.dtype | type = np.float32,
    conduction: bool = True,
) -> DenoiseResult:
    """Denoise the slices of all three orientations and average.

    The three runs see the same noise through different neighbours, so their errors differ and the mean has less of
    them, and neighbouring slices agree. It hurts where slices are thick (0.6 x 0.6 x 3 mm, say): the reformatted slices
    then have one axis five times coarser than the other, anatomy looks like stripes to the network, and two of the
    three runs are worse than the plain one. It costs three runs.

    Parameters
    ----------
    denoiser
        Called once for each axis.
    volume, progress, cancelled
        As for `Denoiser`; `progress` counts the slices of all three orientations.
    settings
        What to do, but for `slice_axis` and `across_slices`. An intensity range that is not given is estimated once.
    scalar_type
        Of the image: float32, or float64 for scans with numbers that only this tells apart.
    conduction
        Whether to keep the conduction map, which takes 12 bytes a voxel here.

    Returns
    -------
    DenoiseResult
        Image and conduction are the means of the three runs and `sigma` is the median of their levels. `slice_sigma`
        holds the slices across axis 0, then 1, then 2; `device` is where the last run ended; each note stands once.

    Raises
    ------
    InvalidVolumeError
        If the volume cannot be denoised, or is a single slice.
    DenoiseCancelled
        If the run was cancelled.
    """
    settings = settings or DenoiseSettings()
    check_volume(np.asanyarray(volume))
    volume = np.asarray(volume)
    if min(volume.shape) == 1:
        message = _(
            "The volume has {size} voxels, so it has slices in one plane only: denoise it in that plane, not in three."
        )
        raise InvalidVolumeError(message.format(size=" x ".join(map(str, volume.shape))))
    if settings.intensity_range is None:
        settings = replace(settings, intensity_range=estimate_range(volume))
    slices = sum(volume.shape)

    def counted(before: int) -> Callable[[int, int], None] | None:
        return None if progress is None else lambda done, _total: progress(before + done, slices)

    # Added up, so that a large volume is held twice and not three times; in float64, where a mean of equals is exact.
    image = np.zeros(volume.shape, np.float64)
    gates = np.zeros(volume.shape, np.float64) if conduction else None
    sigmas, slice_sigmas, notes = [], [], []
    for axis in range(3):
        before = sum(volume.shape[:axis])
        along = replace(settings, slice_axis=axis, across_slices=False)
        run = denoiser(volume, along, counted(before), cancelled, scalar_type, conduction)
        image += run.image
        if gates is not None:
            gates += run.conduction
        sigmas.append(run.sigma)
        slice_sigmas.append(run.slice_sigma)
        notes += [note for note in run.notes if note not in notes]
    return replace(
        run,
        image=(image / 3).astype(scalar_type),
        conduction=None if gates is None else (gates / 3).astype(np.float32),
        sigma=float(np.median(sigmas)),
        slice_sigma=np.concatenate(slice_sigmas),
        notes=tuple(notes),
    )
