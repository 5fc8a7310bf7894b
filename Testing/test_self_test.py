"""The module's own self-test, on the stand-in for the application in which Slicer would run it."""

from __future__ import annotations

import subprocess
import sys
import unittest
from pathlib import Path
from typing import ClassVar

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


def test_all_of_it_runs_from_the_reload_and_test_button(open_panel, caplog):
    open_panel()
    module_file.NeuralDiffusionTest().runTest()
    assert caplog.records == []


class WithProblems(module_file.NeuralDiffusionTest):
    """The self-test with tests that fail, err and skip before and after its own."""

    __test__ = False
    ran: ClassVar[list[str]] = []

    def setUp(self):
        super().setUp()
        self.ran.append(self.id().rpartition(".")[2])

    def test_a_fails(self):
        raise AssertionError("Not as it should be.")

    def test_b_is_skipped(self):
        self.skipTest("Not here.")

    def test_z_errs(self):
        raise OSError("The disk is full.")


def test_no_test_stops_the_others_and_all_problems_are_raised_at_the_end(open_panel, caplog):
    open_panel()
    with pytest.raises(AssertionError, match=r"^2 of 9 tests failed: test_a_fails, test_z_errs\. The log"):
        WithProblems().runTest()
    assert {*TESTS, "test_a_fails", "test_b_is_skipped", "test_z_errs"} == set(WithProblems.ran)
    log = "\n".join(record.getMessage() for record in caplog.records)
    for reason in ("Not as it should be.", "test_b_is_skipped was skipped: Not here.", "The disk is full."):
        assert reason in log


def test_without_torch_what_needs_it_is_skipped_and_the_rest_runs():
    program = (
        "import sys; sys.modules['torch'] = None\n"
        f"sys.path.insert(0, {str(Path(__file__).resolve().parent)!r})\n"
        "import slicer_host; slicer_host.install()\n"
        "from NeuralDiffusion import NeuralDiffusionTest\n"
        "NeuralDiffusionTest().runTest()"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stderr.count("was skipped: PyTorch is not installed.") == 3
    assert "Denoising without PyTorch" in run.stdout
    assert "Pressing Apply" not in run.stdout
