"""When two volumes count as samples of the same voxels."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from mrml_geometries import GEOMETRIES, ijk_to_ras, place

from NeuralDiffusionLib.mrml.nodes.geometry import lie_voxel_on_voxel


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_a_geometry_that_went_through_32_bit_numbers_is_the_same(add_volume, geometry):
    first, second = add_volume(), add_volume()
    place(first, geometry, origin=(-120.123456789, 90.1, 33.3))
    rounded = ijk_to_ras(first).astype(np.float32).astype(np.float64)
    second.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(rounded))
    assert not np.array_equal(ijk_to_ras(second), ijk_to_ras(first))
    assert lie_voxel_on_voxel(first, second)


def test_a_small_turn_adds_up_over_a_large_volume(add_volume):
    first, second = (add_volume(np.zeros((2, 400, 8), np.int16)) for _ in range(2))
    matrix = ijk_to_ras(first)
    matrix[0, 1] = 1e-4
    second.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(matrix))
    assert not lie_voxel_on_voxel(first, second)


def test_another_place_or_size_is_not_the_same(add_volume):
    first, moved, smaller = add_volume(), add_volume(), add_volume(np.zeros((3, 20, 23), np.int16))
    moved.SetOrigin(0, 0.5, 0)
    assert not lie_voxel_on_voxel(first, moved)
    assert not lie_voxel_on_voxel(first, smaller)
