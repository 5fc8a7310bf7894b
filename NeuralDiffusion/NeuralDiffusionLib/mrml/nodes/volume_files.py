"""Volumes in image files, read and written by MRML's storage nodes as Slicer itself does."""

from __future__ import annotations

import os
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from ...errors import InvalidVolumeError
from ...file_names import is_nifti, is_pipe, is_text, shown, volume_suffix
from ...image_headers import Fault, fault_of, has_sheared_axes, is_sound
from ...whole_files import write_whole


def find_volume_files(folder: Path) -> list[Path]:
    """Return the NRRD, NIfTI and MetaImage files of a folder, without its sub-folders, sorted by name.

    Pipes and devices with such names are among them, so that whoever reads them says what they are.

    Raises
    ------
    InvalidVolumeError
        If there is no such folder, or it cannot be read, or has no such file in it.
    """
    # Asked of the path itself, a name that is too long is an error.
    if not os.path.isdir(folder):
        raise InvalidVolumeError(_("'{folder}' is not a folder: choose the folder of the scans.").format(folder=folder))
    try:
        files = sorted(path for path in folder.iterdir() if volume_suffix(path) and (path.is_file() or is_pipe(path)))
    except OSError as error:
        message = _("'{folder}' cannot be read ({reason}): ask for the permission to read it.")
        raise InvalidVolumeError(message.format(folder=folder, reason=error.strerror)) from error
    if not files:
        raise InvalidVolumeError(
            _("'{folder}' holds no NRRD, NIfTI or MetaImage file: choose the folder of the scans.").format(
                folder=folder
            )
        )
    return files


def read_volume_file(path: Path, scene: slicer.vtkMRMLScene) -> slicer.vtkMRMLScalarVolumeNode:
    """Add the volume of a file to a scene, named after the file.

    Slicer turns a left-handed stack of slices round on reading; every voxel stays where it was in the patient.

    Raises
    ------
    InvalidVolumeError
        If the file does not hold one scalar volume, is a NIfTI file with sheared axes, is a label map by its name or
        its header, has a path that is not UTF-8, or is or names a pipe.
    """
    check_name(path)
    try:
        fault = fault_of(path)
    except OSError as error:
        message = _("'{name}' cannot be read ({reason}): ask for the permission to read it, or try again.")
        raise InvalidVolumeError(message.format(name=path.name, reason=error.strerror)) from error
    if fault is not None:
        raise InvalidVolumeError(_sentence(path, fault))
    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", path.name)
    storage = scene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
    storage.SetFileName(str(path))
    if not storage.ReadData(volume) or volume.GetImageData() is None:
        if is_nifti(path) and has_sheared_axes(path):
            message = _("'{name}' has sheared axes, which Slicer reads in no NIfTI file: convert it to NRRD first.")
            raise InvalidVolumeError(message.format(name=path.name))
        raise InvalidVolumeError(_sentence(path, Fault("damaged")))
    volume.SetAndObserveStorageNodeID(storage.GetID())
    return volume


def _sentence(path: Path, fault: Fault) -> str:
    sentences = {
        "pipe": _("'{name}' is no file but a pipe or a device: name a file."),
        "named pipe": _(
            "'{name}' names '{other}' for its voxels, which is no file but a pipe or a device: put a file there."
        ),
        "label name": _(
            "'{name}' is a label map by its name, whose labels would be blended: rename it if it is a scan."
        ),
        "label header": _(
            "'{name}' is a label map by its header, whose labels would be blended: move it into another folder."
        ),
        "taken for": _("'{name}' would be read from '{other}' beside it: move one of the two into another folder."),
        "damaged": _(
            "'{name}' cannot be read as one scalar volume: it is damaged or incomplete, or holds colours or a time "
            "series."
        ),
    }
    other = "" if fault.other is None else shown(Path(fault.other.name))
    return sentences[fault.kind].format(name=path.name, other=other)


def check_name(path: Path) -> None:
    """Refuse a path that is not UTF-8: VTK would end Slicer over it.

    Raises
    ------
    InvalidVolumeError
        If it is none.
    """
    if not is_text(path):
        message = _("'{path}' has characters that are not valid UTF-8: give the file, or its folder, another name.")
        raise InvalidVolumeError(message.format(path=shown(path)))


def write_volume_file(volume: slicer.vtkMRMLScalarVolumeNode, path: Path, replace: bool = True) -> None:
    """Write a volume to a file, whole or not at all.

    Parameters
    ----------
    volume
        The volume.
    path
        Its file.
    replace
        Whether a file that is there may be replaced.

    Raises
    ------
    FileExistsError
        If a file is there that must not be replaced.
    OSError
        If the file cannot be written: one sentence that says what to do.
    """

    def write(unfinished: Path) -> None:
        storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
        storage.SetFileName(str(unfinished))
        # Of a full disk the writer of NIfTI says nothing.
        if not storage.WriteData(volume) or not is_sound(unfinished):
            raise OSError(None, _("Slicer's writer failed"))

    try:
        write_whole([(path, write)], replace=replace)
    except FileExistsError:
        raise
    except OSError as error:
        message = _("'{path}' could not be written ({reason}): free some space or choose another folder.")
        raise OSError(message.format(path=path, reason=error.strerror)) from error
