"""3D Slicer's own gradient anisotropic diffusion, out of the slicer-core wheel."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from NeuralDiffusionLib.classical_filters import ITERATIONS

_CONSTRUCTOR = "_ZN45vtkITKGradientAnisotropicDiffusionImageFilter3NewEv"


def why_missing() -> str | None:
    """One sentence if Slicer's filter cannot be had here, ``None`` if it can."""
    if sys.platform == "win32":
        return "Slicer's gradient anisotropic diffusion is left out: slicer-core does not give access to it on Windows."
    if find_spec("slicer_core") is None:
        return (
            "Slicer's gradient anisotropic diffusion is left out: slicer-core is not installed; "
            "pip install '.[demo]' in the checkout."
        )
    try:
        _constructor()
    except (OSError, AttributeError):
        return (
            "Slicer's gradient anisotropic diffusion is left out: the installed slicer-core does not contain it; "
            "install the version that constraints.txt names."
        )
    return None


def slicer_gradient_diffusion(picture: np.ndarray) -> np.ndarray:
    """Run Slicer's filter on one slice with the defaults of Slicer's module.

    The module itself, a program of its own, is not in the wheel, but vtkITKGradientAnisotropicDiffusionImageFilter is,
    which wraps the same ITK filter. Its Python wrapping lacks the constructor and the methods that set parameters, so
    it is made through its C++ constructor and keeps its defaults, which are the conductance and the time step of the
    module, and one iteration. As many runs as the module has iterations are therefore those of the module.

    Parameters
    ----------
    picture
        (rows, columns), float32.

    Returns
    -------
    np.ndarray
        float32, shape of `picture`.
    """
    from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkCommonExecutionModel import vtkTrivialProducer

    rows, columns = picture.shape
    result = np.ascontiguousarray(picture, np.float32).ravel()
    for _ in range(ITERATIONS):
        image = vtkImageData()
        image.SetDimensions(columns, rows, 1)
        image.GetPointData().SetScalars(numpy_to_vtk(result))
        source = vtkTrivialProducer()
        source.SetOutput(image)
        smooth = vtkImageData()
        diffusion = _new_filter()
        diffusion.SetInputConnection(source.GetOutputPort())
        diffusion.SetOutput(smooth)
        diffusion.Update()
        result = vtk_to_numpy(smooth.GetPointData().GetScalars()).copy()
    return result.reshape(rows, columns)


@cache
def _constructor() -> Callable[[], int]:
    """The C++ function that makes the filter and returns its address."""
    import slicer_core

    folder = Path(slicer_core.__file__).parent
    name = "libvtkITK.dylib" if sys.platform == "darwin" else "libvtkITK.so"
    construct = ctypes.CDLL(str(folder / name))[_CONSTRUCTOR]
    construct.restype = ctypes.c_void_p
    return construct


def _new_filter() -> object:
    from vtkmodules.vtkCommonCore import vtkObjectBase

    made = vtkObjectBase(f"Addr=0x{_constructor()():x}")
    # Python now holds a reference of its own beside the constructor's.
    made.UnRegister(None)
    return made
