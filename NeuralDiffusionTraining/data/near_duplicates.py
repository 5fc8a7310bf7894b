"""Which slices show the same picture: copies that were mirrored, resized, squeezed, re-encoded or cropped otherwise.

Two slices are near-duplicates if the Pearson correlation of their grey values exceeds 0.98, or that of the heads alone,
each cut out by its bounding box and resized, exceeds 0.97; one of the two may be mirrored left to right. The first
test sees copies with other noise or compression, the second those with other margins, zoom or aspect. Near-duplicates
of near-duplicates belong together, so a group is a connected component.

On Br35H this makes 740 groups of its 3,000 slices, the largest of 42. The thresholds leave room: down to 0.95 for the
heads no group grows beyond 42 and none mixes the two classes, which unrelated slices would.
"""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy.ndimage import label
from scipy.sparse.csgraph import connected_components

WHOLE_CORRELATION = 0.98
HEAD_CORRELATION = 0.97
CRITERION = (
    f"grey values correlate above {WHOLE_CORRELATION}, or those of the heads, cut out by their bounding boxes and "
    f"resized, above {HEAD_CORRELATION}; one may be mirrored left to right; connected components"
)

_HEAD_SIZE = 64
_AIR = 25


def near_duplicate_groups(slices: np.ndarray) -> np.ndarray:
    """Find the groups.

    Parameters
    ----------
    slices
        (slices, rows, columns), uint8. A constant slice resembles no other.

    Returns
    -------
    np.ndarray
        Number of the group of each slice, (slices,), counted from 0 in the order of first appearance.
    """
    heads = np.stack([cut_out_head(picture) for picture in slices])
    alike = (_correlation(slices) > WHOLE_CORRELATION) | (_correlation(heads) > HEAD_CORRELATION)
    _, groups = connected_components(alike, directed=False)
    return groups


def cut_out_head(picture: np.ndarray) -> np.ndarray:
    """The bounding box of the largest part that is brighter than air, (64, 64), uint8; all of a picture without one."""
    parts, count = label(picture > _AIR)
    if count:
        sizes = np.bincount(parts.ravel())
        sizes[0] = 0
        inside = parts == sizes.argmax()
        rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
        picture = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return np.asarray(Image.fromarray(picture).resize((_HEAD_SIZE, _HEAD_SIZE), Image.Resampling.BILINEAR))


def _correlation(pictures: np.ndarray) -> np.ndarray:
    """Pearson correlation of each picture with each other or its mirror image, whichever is larger."""
    upright, mirrored = _normalised(pictures), _normalised(pictures[:, :, ::-1])
    return np.maximum(upright @ upright.T, upright @ mirrored.T)


def _normalised(pictures: np.ndarray) -> np.ndarray:
    """(pictures, pixels) of mean 0 and norm 1, or all 0 for a constant picture."""
    flat = pictures.reshape(len(pictures), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.divide(flat, norm, out=np.zeros_like(flat), where=norm > 1e-3)
