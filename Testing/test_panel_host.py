"""The stand-in for the application: pop-ups are recorded, views and settings are there, nothing is left behind."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import panel_host
import pytest
import slicer
from panel_host import qt_libraries

pytest_plugins = ["panel_host.fixtures"]


# Pop-ups


def test_an_error_is_shown_with_its_details_and_goes_on_to_the_console(qt):
    button = qt.QPushButton()

    def fail():
        with slicer.util.tryWithErrorDisplay("Denoising failed."):
            raise ValueError("No voxels.")

    button.connect("clicked()", fail)
    button.click()
    (popup,) = panel_host.popups.shown
    assert (popup.kind, popup.text, popup.answer) == ("critical", "Denoising failed.\n\nNo voxels.", "OK")
    assert "ValueError: No voxels." in popup.details
    assert len(panel_host.console_errors) == 1
    panel_host.console_errors.clear()


def test_a_question_is_answered_as_the_test_says(slicer_app):
    panel_host.popups.answer("cancel", "ok", "yes")
    answers = [slicer.util.confirmOkCancelDisplay("Download?"), slicer.util.confirmOkCancelDisplay("Really?")]
    answers.append(slicer.util.confirmYesNoDisplay("Certain?"))
    assert answers == [False, True, True]
    assert [popup.buttons for popup in panel_host.popups.shown[::2]] == [("OK", "Cancel"), ("Yes", "No")]


def test_a_question_that_nobody_answers_is_an_error(slicer_app):
    with pytest.raises(AssertionError, match="Nobody answered 'Download"):
        slicer.util.confirmOkCancelDisplay("Download?")


def test_in_testing_mode_messages_are_logged_only(slicer_app, caplog):
    panel_host.set_testing(True)
    slicer.util.errorDisplay("Something failed.")
    slicer.util.confirmOkCancelDisplay("Download?")
    assert panel_host.popups.shown == []
    assert "Something failed." in caplog.text


def test_functions_that_would_wait_for_a_click_are_refused(qt):
    with pytest.raises(NotImplementedError, match=r"QFileDialog\.getExistingDirectory waits for a click"):
        qt.QFileDialog.getExistingDirectory()
    with pytest.raises(NotImplementedError, match=r"QMessageBox\.warning waits for a click"):
        qt.QMessageBox.warning(None, "Title", "Text")


def test_a_progress_dialog_can_be_cancelled(qt):
    dialog = slicer.util.createProgressDialog(labelText="Denoising", maximum=3)
    dialog.value = 1
    assert (dialog.labelText, dialog.wasCanceled) == ("Denoising", False)
    dialog.findChild(qt.QPushButton).click()
    assert dialog.wasCanceled
    dialog.close()


# The application


def test_a_thread_gets_on_only_while_python_on_the_main_thread_sleeps(slicer_app):
    steps, ends = [], threading.Event()

    def work():
        while not ends.is_set():
            steps.append(None)
            time.sleep(0)

    thread = threading.Thread(target=work)
    thread.start()
    before = len(steps)
    for _ in range(200):
        panel_host.process_events()
    starved = len(steps) - before
    # As long as the event loop has idled.
    time.sleep(0.2)
    alone = len(steps) - before - starved
    ends.set()
    thread.join()
    assert 0 < starved < alone / 5


def test_the_views_have_slicers_real_logics_and_nodes(slicer_app, add_volume):
    volume = add_volume()
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    layout_manager = slicer.app.layoutManager()
    assert sorted(layout_manager.sliceViewNames()) == ["Green", "Red", "Yellow"]
    for name in layout_manager.sliceViewNames():
        widget = layout_manager.sliceWidget(name)
        assert widget.mrmlSliceNode().GetLayoutName() == name
        assert widget.mrmlSliceCompositeNode().GetBackgroundVolumeID() == volume.GetID()
        widget.sliceLogic().UpdatePipeline()
        widget.sliceLogic().GetBlend().Update()
        assert widget.sliceLogic().GetBlend().GetOutput().GetDimensions()[:2] == (256, 256)
    assert slicer.app.applicationLogic().GetSelectionNode() is not None


def test_a_change_of_the_scene_in_another_thread_is_reported(slicer_app, add_volume):
    volume = add_volume(name="Scan")

    def work():
        slicer.util.arrayFromVolume(volume)
        volume.SetName("Renamed by a worker")

    thread = threading.Thread(target=work, name="worker")
    thread.start()
    thread.join()
    assert panel_host.console_errors == [
        "MRML outside the main thread: ModifiedEvent of Renamed by a worker in worker."
    ]
    panel_host.console_errors.clear()


def test_the_views_stay_when_the_scene_is_closed(slicer_app, scene):
    scene.Clear(0)
    red = slicer.app.layoutManager().sliceWidget("Red")
    assert red.mrmlSliceNode().GetScene() is scene
    assert red.mrmlSliceCompositeNode().GetScene() is scene


def test_settings_are_those_of_the_run_only(qt, slicer_app):
    assert slicer.util.settingsValue("NeuralDiffusion/Told", False, converter=slicer.util.toBool) is False
    qt.QSettings().setValue("NeuralDiffusion/Told", True)
    assert slicer.util.settingsValue("NeuralDiffusion/Told", False, converter=slicer.util.toBool) is True


def test_settings_of_another_run_are_gone(slicer_app):
    assert slicer.util.settingsValue("NeuralDiffusion/Told", None) is None


def test_nothing_is_left_when_the_application_has_ended(qt_loads, scene):
    hook = sys.excepthook
    with panel_host.application():
        assert slicer.util.mainWindow() is not None
    assert not {"qt", "ctk", "slicer.modules"} & set(sys.modules)
    assert not hasattr(slicer, "app")
    assert not hasattr(slicer, "qMRMLNodeComboBox")
    assert sys.excepthook is hook


@pytest.mark.parametrize("scale", [1, 2])
def test_a_screenshot_shows_the_whole_widget(qt, tmp_path, scale):
    widget = qt.QWidget()
    layout = qt.QVBoxLayout(widget)
    for line in range(40):
        layout.addWidget(qt.QLabel(f"Line {line}"))
    panel_host.screenshot(widget, tmp_path / "panel.png", scale=scale, width=300)
    picture = qt.QImage(str(tmp_path / "panel.png"))
    assert picture.width() == 300 * scale
    assert picture.height() >= scale * widget.sizeHint.height()
    colours = {picture.pixel(x, y) for x in range(picture.width()) for y in range(picture.height())}
    assert len(colours) > 2


# Qt's system libraries


def test_a_missing_library_is_named_with_its_package(monkeypatch):
    monkeypatch.setattr(qt_libraries, "DEBIAN_PACKAGES", {"libNotThere.so.7": "libnotthere7"})
    assert qt_libraries.missing_packages() == (["libnotthere7"] if sys.platform.startswith("linux") else [])
    if sys.platform.startswith("linux"):
        assert "'apt-get install libnotthere7'" in qt_libraries.why_qt_does_not_load()


def test_a_missing_pyside_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "PySide6", None)
    assert "pip install PySide6-Essentials" in qt_libraries.why_qt_does_not_load()


def test_without_qt_a_panel_test_is_skipped_but_fails_under_ci(tmp_path):
    (tmp_path / "test_skipped.py").write_text(
        "import panel_host, pytest, slicer\n"
        'pytest_plugins = ["panel_host.fixtures"]\n'
        "@pytest.fixture\n"
        "def scene(): return slicer.vtkMRMLScene()\n"
        "@pytest.fixture(autouse=True)\n"
        "def no_qt(monkeypatch): monkeypatch.setattr(panel_host, 'why_qt_does_not_load', lambda: 'Qt is missing.')\n"
        "def test_panel(no_qt, slicer_app): pass\n"
    )
    testing = str(panel_host.__path__[0]).removesuffix("/panel_host")
    for ci, summary in (("", "1 skipped"), ("true", "1 error")):
        run = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", str(tmp_path)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={"PYTHONPATH": testing, "CI": ci, "PATH": "/usr/bin:/bin"},
        )
        assert summary in run.stdout, run.stdout + run.stderr
        assert "Qt is missing." in run.stdout


def test_loading_qt_leaves_the_import_statement_alone(qt_loads):
    program = (
        "import builtins, panel_host; own = builtins.__import__; panel_host.popups; print(builtins.__import__ is own)"
    )
    testing = str(panel_host.__path__[0]).removesuffix("/panel_host")
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=testing)
    assert run.stdout == "True\n", run.stderr


def test_importing_the_package_loads_no_qt():
    program = "import sys, slicer_host, panel_host; print({'PySide6', 'qt'} & set(sys.modules))"
    testing = str(panel_host.__path__[0]).removesuffix("/panel_host")
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=testing)
    assert run.stdout == "set()\n", run.stderr
