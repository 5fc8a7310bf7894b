"""Fixtures for tests of a panel: `pytest_plugins = ["panel_host.fixtures"]` in a test file brings them in."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import slicer

import panel_host


@pytest.fixture
def qt_loads() -> None:
    """Skip the test where Qt does not load, saying why; under CI=true fail instead."""
    reason = panel_host.why_qt_does_not_load()
    if reason:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)


@pytest.fixture
def slicer_app(qt_loads: None, scene: slicer.vtkMRMLScene) -> Iterator[Any]:
    """Run the application over the test's scene; fail if anything was left on the console.

    A test that expects an error on the console takes it from there: `panel_host.console_errors.clear()`.
    """
    with panel_host.application() as app:
        yield app
    assert panel_host.console_errors == []


@pytest.fixture
def qt(slicer_app: Any) -> Any:
    """Return the module `qt`, which is there while the application runs."""
    import qt

    return qt


@pytest.fixture
def open_panel(slicer_app: Any) -> Callable[[], Any]:
    """Open the Neural Diffusion module and return its widget."""
    return lambda: panel_host.open_module("NeuralDiffusion")
