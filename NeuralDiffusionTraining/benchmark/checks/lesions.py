"""Small synthetic lesions: what a method leaves of them, and what looks like one where none was.

A lesion is a bright disc with an edge one pixel wide. Its contrast is given relative to the noise level, and the noisy
slice is made with the same noise with and without it, so what a method makes of the lesion is the difference of its
two pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter, gaussian_laplace, maximum_filter
from skimage.feature import peak_local_max

RADII = (1, 2, 3, 4)
"""In pixels."""

CNRS = (0.5, 1.0, 2.0, 3.0)
"""Contrast of a lesion over the noise level."""

_GAP = 6
"""Pixels between two lesions, so that neither falls into the neighbourhood of the other."""

_RIM = 2
"""Pixels between a lesion and the end of the head."""


@dataclass(frozen=True)
class Lesion:
    """Centre and radius in pixels."""

    row: int
    column: int
    radius: int


def place_lesions(clean: np.ndarray, head: np.ndarray, room: float, generator: np.random.Generator) -> list[Lesion]:
    """One lesion of each of `RADII`, apart from each other, at random places where it fits.

    Parameters
    ----------
    clean
        (rows, columns) in [0, 1].
    head
        Boolean, (rows, columns): lesions lie inside, `_RIM` pixels from its end or more.
    room
        Largest contrast that will be added; where it would exceed 1 no lesion is put.
    generator
        Source of the places.

    Returns
    -------
    list of Lesion
        Largest first; one that fits nowhere is left out.
    """
    depth = distance_transform_edt(np.pad(head, 1))[1:-1, 1:-1]
    free = np.ones(clean.shape, bool)
    lesions = []
    for radius in sorted(RADII, reverse=True):
        brightest = maximum_filter(clean, footprint=_profile((2 * radius + 3,) * 2, _centred(radius)) > 0)
        places = np.argwhere(free & (depth > radius + _RIM) & (brightest + room <= 1))
        if len(places) == 0:
            continue
        lesion = Lesion(*map(int, places[generator.integers(len(places))]), radius)
        lesions.append(lesion)
        # What comes later is no larger than this one.
        free &= _distance(clean.shape, lesion) > 2 * radius + _GAP
    return lesions


def with_lesions(clean: np.ndarray, lesions: Sequence[Lesion], contrast: float) -> np.ndarray:
    """The slice, (rows, columns), with the lesions added; float32."""
    return (clean + contrast * sum(_profile(clean.shape, lesion) for lesion in lesions)).astype(np.float32)


def recovered_contrast(response: np.ndarray, lesion: Lesion, contrast: float) -> float:
    """Share of a lesion's contrast that is left: the least-squares fit of its shape to a method's response.

    Parameters
    ----------
    response
        A method's picture with lesions less its picture without, (rows, columns).
    contrast
        What was added.
    """
    profile = _profile(response.shape, lesion)
    return float(np.sum(response * profile) / (contrast * np.sum(profile**2)))


def false_lesions(picture: np.ndarray, clean: np.ndarray, head: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Blobs, bright or dark, that a picture without lesions shows and the clean slice does not.

    Blobs are found by the Laplacian of Gaussian at the sizes of `RADII` (Lindeberg, Int. J. Comput. Vis. 30, 1998),
    scaled so that a lesion gives its own contrast. The strength of a false one is what the picture shows, or what it
    shows more than the clean slice, whichever is less: a blob that was there is not false, nor is the hole that a
    removed one leaves. Local maxima over place and size count, once each.

    Parameters
    ----------
    picture, clean
        (rows, columns) in [0, 1].
    head
        Boolean, (rows, columns): only blobs with their centre inside count.

    Returns
    -------
    strengths : np.ndarray
        Contrast of each blob, (blobs,), positive.
    radii : np.ndarray
        Radius of each in pixels, (blobs,).
    """
    shown, true = _blob_contrasts(picture), _blob_contrasts(clean)
    inside = np.broadcast_to(head, shown.shape).astype(int)
    strengths, radii = [], []
    for sign in (1, -1):
        false = np.minimum(sign * shown, sign * (shown - true))
        peaks = peak_local_max(false, min_distance=1, threshold_abs=0, exclude_border=False, labels=inside)
        strengths.append(false[tuple(peaks.T)])
        radii.append(np.array(RADII)[peaks[:, 0]])
    return np.concatenate(strengths), np.concatenate(radii)


def _blob_contrasts(picture: np.ndarray) -> np.ndarray:
    """Contrast of the blob of each of `RADII` around every pixel, (radii, rows, columns); negative for dark ones."""
    picture = np.asarray(picture, np.float64)
    return np.stack([_blob_filter(picture, radius) / _response_to_a_lesion(radius) for radius in RADII])


def _blob_filter(picture: np.ndarray, radius: int) -> np.ndarray:
    """Negative Laplacian of Gaussian, at the width that answers most strongly to a disc of this radius."""
    width = radius / np.sqrt(2)
    # Sampled so coarsely the filter does not sum to 0 by itself; it must, or every bright area looks like a blob.
    of_constant = gaussian_laplace(np.ones((1, 1)), width)[0, 0]
    return of_constant * gaussian_filter(picture, width) - gaussian_laplace(picture, width)


@cache
def _response_to_a_lesion(radius: int) -> float:
    """What the filter gives in the middle of a lesion of contrast 1."""
    middle = 6 * radius
    profile = _profile((2 * middle + 1,) * 2, Lesion(middle, middle, radius))
    return float(_blob_filter(profile, radius)[middle, middle])


def _centred(radius: int) -> Lesion:
    return Lesion(radius + 1, radius + 1, radius)


def _profile(shape: tuple[int, ...], lesion: Lesion) -> np.ndarray:
    return np.clip(lesion.radius + 0.5 - _distance(shape, lesion), 0, 1)


def _distance(shape: tuple[int, ...], lesion: Lesion) -> np.ndarray:
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return np.hypot(rows - lesion.row, columns - lesion.column)
