"""Near-duplicates: slices made from the same picture by mirroring, rescaling, new margins, contrast or encoding.

What is compared is the local contrast, which the divisive normalisation of K. Jarrett et al. (ICCV 2009) keeps of a
picture. It does not change with brightness and contrast, and unrelated heads, whose grey values correlate up to 0.93,
have little of it in common. On Br35H any threshold from 0.75 to 0.90 gives the same 322 groups of the 3,000 slices. A
slice of class `no` and one of class `yes`, never copies of each other, reach 0.74; a group of both
classes appears below that.
"""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy import ndimage
from scipy.sparse.csgraph import connected_components
from skimage.filters import threshold_otsu

THRESHOLD = 0.80
CRITERION = (
    f"Pearson correlation of the local contrast above {THRESHOLD:.2f}, either of the whole pictures or of the heads "
    "cropped to their bounding boxes (both resized to 64 x 64 pixels), as they are or mirrored left-right, upside down "
    "or both. Local contrast is the grey value less its Gaussian mean (sigma 4 pixels), divided by the Gaussian "
    "standard deviation plus 4 grey levels. Near-duplicates of near-duplicates belong to the same group."
)
_SIZE = 64
_NEIGHBOURHOOD = 4.0
# Keeps the compression artefacts of dark air, one or two grey levels, from counting as structure.
_FLAT = 4.0


def near_duplicate_groups(slices: np.ndarray) -> np.ndarray:
    """Number the groups of near-duplicates, by `CRITERION`.

    Parameters
    ----------
    slices
        (slices, rows, columns), uint8. A slice without any structure resembles no other.

    Returns
    -------
    np.ndarray
        (slices,), the group of each slice, counted from 0 in the order of first appearance.
    """
    alike = np.zeros((len(slices),) * 2, bool)
    for view in (_whole, _head):
        upright = _local_contrast(np.stack([view(picture) for picture in slices]))
        others = _unit(upright).T
        # Mirroring either of two pictures is the same.
        for mirrored in (upright, upright[:, :, ::-1], upright[:, ::-1], upright[:, ::-1, ::-1]):
            alike |= _unit(mirrored) @ others > THRESHOLD
    return connected_components(alike, directed=False)[1]


def head_box(picture: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of the largest bright object, half of Otsu's threshold (1979) or brighter; all if none is."""
    smooth = ndimage.gaussian_filter(picture.astype(np.float32), 1)
    objects, count = ndimage.label(smooth > 0.5 * threshold_otsu(smooth))
    if count == 0:
        return slice(None), slice(None)
    return ndimage.find_objects(objects)[np.argmax(np.bincount(objects.ravel())[1:])]


def _whole(picture: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).resize((_SIZE, _SIZE), Image.Resampling.BOX))


def _head(picture: np.ndarray) -> np.ndarray:
    cropped = Image.fromarray(picture[head_box(picture)])
    return np.asarray(cropped.resize((_SIZE, _SIZE), Image.Resampling.BILINEAR))


def _local_contrast(pictures: np.ndarray) -> np.ndarray:
    sigma = (0, _NEIGHBOURHOOD, _NEIGHBOURHOOD)
    pictures = pictures.astype(np.float32)
    pictures -= ndimage.gaussian_filter(pictures, sigma)
    return pictures / (np.sqrt(ndimage.gaussian_filter(pictures**2, sigma)) + _FLAT)


def _unit(pictures: np.ndarray) -> np.ndarray:
    """(pictures, pixels) of mean 0 and length 1, or all 0 for a picture without structure."""
    vectors = pictures.reshape(len(pictures), -1)
    vectors = vectors - vectors.mean(axis=1, keepdims=True)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 1e-3)
