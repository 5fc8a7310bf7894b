"""Following one node after another, without keeping any."""

from __future__ import annotations

import pytest
import slicer
import vtk

from NeuralDiffusionLib.mrml.nodes.node_watch import NodeWatch


@pytest.fixture
def told():
    return []


@pytest.fixture
def watch(told):
    return NodeWatch(vtk.vtkCommand.ModifiedEvent, lambda node, event: told.append(node.GetName()))


def node(name):
    made = slicer.vtkMRMLScalarVolumeNode()
    made.SetName(name)
    return made


def test_only_the_node_that_is_followed_is_told_of(watch, told):
    first, second = node("first"), node("second")
    assert watch.follow(first)
    assert not watch.follow(first)
    first.Modified()
    assert watch.follow(second)
    first.Modified()
    second.Modified()
    assert watch.follow(None)
    second.Modified()
    assert told == ["first", "second"]


def test_a_node_that_is_no_longer_followed_is_let_go(watch):
    first, left = node("first"), vtk.vtkWeakReference()
    left.Set(first)
    watch.follow(first)
    watch.follow(None)
    assert left.Get() is first
    del first
    assert left.Get() is None
