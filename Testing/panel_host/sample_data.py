"""Slicer's module `SampleData`, without a network: what an address gives is put into `files` beforehand."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import slicer

files: dict[str, Path] = {}


class SampleDataLogic:
    """Slicer's logic of the Sample Data module.

    `registerCustomSampleDataSource` adds a source to `slicer.modules.sampleDataSources`, once, with lists in the place
    of single addresses, file names, node names and checksums; the button of a source calls its `customDownloader` with
    it. `downloadFromSource` loads one file as a volume under its node name and returns the nodes; where a file cannot
    be had, or has another checksum, the list is empty and the log says why; in the place of one that can neither be
    read nor deleted it holds None.
    """

    @staticmethod
    def registerCustomSampleDataSource(category: str = "Custom", **about: Any) -> None:
        sources = slicer.modules.__dict__.setdefault("sampleDataSources", {}).setdefault(category, [])
        lists = {name: [about.pop(name)] for name in ("uris", "fileNames", "nodeNames", "checksums")}
        source = SimpleNamespace(**about, **lists)
        if source not in sources:
            sources.append(source)

    def downloadFromSource(self, source: Any) -> list[slicer.vtkMRMLNode]:
        ((address,), (checksum,), (name,)) = source.uris, source.checksums, source.nodeNames
        path = files.get(address)
        if path is None or f"SHA256:{hashlib.sha256(path.read_bytes()).hexdigest()}" != checksum:
            return []
        storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
        storage.SetFileName(str(path))
        volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
        if not storage.ReadData(volume):
            slicer.mrmlScene.RemoveNode(volume)
            return [None]
        return [volume]
