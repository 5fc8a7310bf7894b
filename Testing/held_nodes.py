"""Which MRML nodes an object keeps alive: what another thread holds is let go there, which Slicer does not allow."""

from __future__ import annotations

import gc
import types

import slicer

_NO_CONTENT = (types.ModuleType, types.FunctionType, type)


def held_nodes(holder: object) -> list[slicer.vtkMRMLNode]:
    """The nodes that can be reached from an object, not through modules, functions and classes."""
    seen, found, open_ends = {id(holder)}, [], [holder]
    while open_ends:
        for one in gc.get_referents(open_ends.pop()):
            if id(one) in seen or isinstance(one, _NO_CONTENT):
                continue
            seen.add(id(one))
            open_ends.append(one)
            if isinstance(one, slicer.vtkMRMLNode):
                found.append(one)
    return found
