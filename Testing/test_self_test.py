"""The module's own self-test, on the stand-in for the application in which Slicer would run it."""

from __future__ import annotations

import unittest

import pytest

import NeuralDiffusion as module_file

pytest_plugins = ["panel_host.fixtures"]

TESTS = unittest.defaultTestLoader.getTestCaseNames(module_file.NeuralDiffusionTest)


@pytest.mark.parametrize("name", TESTS)
def test_each_test_passes_alone(open_panel, name):
    open_panel()
    result = unittest.TestResult()
    module_file.NeuralDiffusionTest(name).run(result)
    assert result.testsRun == 1
    assert not result.skipped
    assert result.wasSuccessful(), result.failures + result.errors


def test_it_covers_logic_panel_cancel_overlay_and_missing_torch():
    assert {"denoises", "panel", "cancel", "overlay", "torch"} <= {word for name in TESTS for word in name.split("_")}


def test_all_of_it_runs_from_the_reload_and_test_button(open_panel):
    open_panel()
    module_file.NeuralDiffusionTest().runTest()
