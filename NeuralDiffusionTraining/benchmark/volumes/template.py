"""The openly licensed T1 template that the package nilearn carries (MNI ICBM 152, a mean of 152 heads)."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from ...files.command_error import CommandError

TEMPLATE_NAME = "MNI ICBM152 T1 template"
_FILE = Path("datasets", "data", "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz")


def find_template() -> Path | None:
    """Where it lies; ``None`` if nilearn is not installed, or carries it no more."""
    package = find_spec("nilearn")  # found, not imported: that would take seconds
    path = Path(package.submodule_search_locations[0]) / _FILE if package else None
    return path if path is not None and path.is_file() else None


def template_path() -> Path:
    """Where it lies.

    Raises
    ------
    CommandError
        If nilearn is not installed, or carries it no more.
    """
    path = find_template()
    if path is None:
        raise CommandError(
            "The template comes with the package nilearn, which is not there: install nilearn 0.14, or leave out "
            "--template."
        )
    return path
