"""PyTorch in Slicer: found, or installed through the PyTorch extension when the user agrees."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable

from slicer.i18n import tr as _

MINIMUM_VERSION = (2, 4)


def torch_installed() -> bool:
    """Return whether PyTorch is there, without importing it; a folder that an uninstallation left over is not."""
    if torch_loaded():
        return hasattr(sys.modules["torch"], "__version__")
    spec = importlib.util.find_spec("torch")
    return spec is not None and spec.origin is not None


def torch_loaded() -> bool:
    """Return whether PyTorch was imported already; the first import takes seconds."""
    return sys.modules.get("torch") is not None


def import_torch() -> None:
    """Import PyTorch.

    Raises
    ------
    RuntimeError
        If it is not installed, does not load or is too old: one sentence that says what to do.
    """
    try:
        import torch
    except (ImportError, OSError) as error:
        message = _("PyTorch is installed but does not load ({error}): reinstall it in the PyTorch Utils module.")
        raise RuntimeError(message.format(error=error)) from error
    if not torch_installed():
        raise RuntimeError(_("PyTorch is not installed: install it in the PyTorch Utils module."))
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < MINIMUM_VERSION:
        message = _(
            "PyTorch {version} is too old: uninstall it in the PyTorch Utils module, restart Slicer, then try again."
        )
        raise RuntimeError(message.format(version=torch.__version__))


def ensure_torch(confirm: Callable[[str], bool]) -> None:
    """Import PyTorch, after installing it if it is missing and the user agrees.

    For the main thread only: Slicer does not respond during an installation.

    Parameters
    ----------
    confirm
        Shows a text and returns whether the user agrees.

    Raises
    ------
    RuntimeError
        If PyTorch cannot be had: one sentence that says what to do. It has a cause where something failed.
    """
    if not torch_installed():
        _install(confirm)
    import_torch()


def _install(confirm: Callable[[str], bool]) -> None:
    if importlib.util.find_spec("PyTorchUtils") is None:
        raise RuntimeError(
            _("PyTorch is not installed: install the PyTorch extension in the Extensions Manager and restart Slicer.")
        )
    import PyTorchUtils

    if not confirm(
        _(
            "Neural Diffusion needs PyTorch, which is not installed yet. Download and install it now? "
            "That is up to 3 GB and takes some minutes, during which Slicer does not respond."
        )
    ):
        raise RuntimeError(
            _("PyTorch was not installed, as you chose: press Apply or Install PyTorch whenever you want it.")
        )
    requirement = ">=" + ".".join(str(part) for part in MINIMUM_VERSION)
    try:
        torch = PyTorchUtils.PyTorchUtilsLogic().installTorch(torchVersionRequirement=requirement)
    except (subprocess.CalledProcessError, ImportError, OSError) as error:
        # The command that failed is long; it stands in the details.
        failed = isinstance(error, subprocess.CalledProcessError)
        reason = _("the installer ended with code {code}").format(code=error.returncode) if failed else str(error)
        message = _("PyTorch could not be installed ({reason}): check the network connection, then try again.")
        raise RuntimeError(message.format(reason=reason)) from error
    if torch is None:
        raise RuntimeError(_("PyTorch was not installed: install it in the PyTorch Utils module."))
