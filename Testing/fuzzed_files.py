"""Sound files of every other kind that a command reads, and what reads them: `fuzz_readers` damages them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import slicer
import torch
from PIL import Image
from shell import head, image
from test_shell_dicom import write_series

from NeuralDiffusionLib.mrml.nodes.volume_files import read_volume_file
from NeuralDiffusionTraining.cohort.bids import read_description
from NeuralDiffusionTraining.cohort.bids_metadata import kept_metadata
from NeuralDiffusionTraining.cohort.record import RECORD, read_record
from NeuralDiffusionTraining.data.masks import load_masks
from NeuralDiffusionTraining.data.slices import load_slices
from NeuralDiffusionTraining.data.splits import Split, read_split, write_splits
from NeuralDiffusionTraining.files.dicom_folders import read_dicom_folder
from NeuralDiffusionTraining.files.image_files import read_scan
from NeuralDiffusionTraining.networks.checkpoints import load_trained
from NeuralDiffusionTraining.networks.registry import build_network
from NeuralDiffusionTraining.reporting.results import read_result
from NeuralDiffusionTraining.training.config import CONFIGS, read_config

_SHAPE = (3, 9, 8)


@dataclass(frozen=True)
class FuzzedFile:
    """A sound file in a folder of its own, and what a command makes of it."""

    path: Path
    read: Callable[[Path], object]


def fuzzed_files(folder: Path) -> dict[str, FuzzedFile]:
    """Write the files; by what they are."""
    made = {
        "DICOM": FuzzedFile(_dicom(folder / "dicom"), lambda path: read_dicom_folder(path.parent, None)),
        "PNG": FuzzedFile(_picture(folder / "png" / "slice.png"), _read_picture),
        "JPEG": FuzzedFile(_picture(folder / "jpeg" / "slice.jpg"), _read_picture),
        "mask": FuzzedFile(_picture(folder / "mask" / "slice.png"), _read_mask(folder / "png" / "slice.png")),
        "checkpoint": FuzzedFile(_checkpoint(folder / "checkpoint" / "best.ckpt"), load_trained),
        "configuration": FuzzedFile(
            _copy(CONFIGS / "original.yaml", folder / "config"), lambda path: read_config(path, {})
        ),
        "split": FuzzedFile(_split(folder / "split" / "split.json"), read_split),
        "sidecar": FuzzedFile(_json(folder / "sidecar" / "clean.json", {RECORD: {"Voxels": 3}}), read_record),
        "result": FuzzedFile(
            _json(folder / "result" / "r.json", {"kind": "sweep", "command": "", "rows": []}), read_result
        ),
        "BIDS": FuzzedFile(
            _json(folder / "bids" / "dataset_description.json", {"Name": "Heads", "BIDSVersion": "1.9.0"}),
            lambda path: read_description(path.parent),
        ),
        "BIDS metadata": FuzzedFile(
            _json(folder / "metadata" / "T1w.json", {"EchoTime": 0.003, "SpatialReference": "bids::sub-01/x.nii"}),
            lambda path: kept_metadata([path]),
        ),
    }
    # Headers whose voxels lie in a second file.
    for suffix in (".nhdr", ".mhd"):
        path = folder / f"detached{suffix}" / f"scan{suffix}"
        path.parent.mkdir()
        sitk.WriteImage(image(head(np.int16, _SHAPE)), str(path))
        made[f"command line{suffix}"] = FuzzedFile(path, read_scan)
        made[f"module{suffix}"] = FuzzedFile(path, lambda path: read_volume_file(path, slicer.vtkMRMLScene()))
    return made


def _dicom(folder: Path) -> Path:
    write_series(folder, image(head(np.int16, _SHAPE)))
    return sorted(folder.iterdir())[0]


def _picture(path: Path) -> Path:
    path.parent.mkdir()
    Image.fromarray(np.clip(head(np.int16, _SHAPE)[1] / 4, 0, 255).astype(np.uint8)).save(path)
    return path


def _read_picture(path: Path) -> object:
    return load_slices(path.parent, [path.name])


def _read_mask(picture: Path) -> Callable[[Path], object]:
    return lambda path: load_masks(picture.parent, {picture.name: path}, [picture.name])


def _checkpoint(path: Path) -> Path:
    path.parent.mkdir()
    state = {f"network.{name}": tensor for name, tensor in build_network("original").state_dict().items()}
    written = BytesIO()
    made = {"config": {"network": "original"}, "provenance": {}}
    torch.save({"state_dict": state, "hyper_parameters": made, "epoch": 1, "global_step": 2}, written)
    path.write_bytes(written.getvalue())
    return path


def _copy(source: Path, folder: Path) -> Path:
    folder.mkdir()
    (folder / source.name).write_bytes(source.read_bytes())
    return folder / source.name


def _split(path: Path) -> Path:
    path.parent.mkdir()
    names = tuple(f"no/n{number}.jpg" for number in range(6))
    write_splits(
        [Split("split", names[:3], names[3:4], names[4:], {name: i // 2 for i, name in enumerate(names)})], path.parent
    )
    return path


def _json(path: Path, content: object) -> Path:
    path.parent.mkdir()
    path.write_text(json.dumps(content), encoding="utf-8")
    return path
