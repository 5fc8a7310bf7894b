"""Qt behaves on the stand-in as PythonQt shows it: properties are attributes, signals connect by text."""

from __future__ import annotations

import gc
import threading

import panel_host
import pytest

pytest_plugins = ["panel_host.fixtures"]


def test_properties_are_attributes(qt):
    label = qt.QLabel("Before")
    assert label.text == "Before"
    label.text = "After"
    label.enabled = False
    assert (label.text, label.enabled) == ("After", False)
    label.name = "resultLabel"
    assert label.objectName == "resultLabel"


def test_properties_that_are_enumerations_are_attributes_too(qt):
    label = qt.QLabel()
    label.alignment = qt.Qt.AlignRight
    label.textInteractionFlags = qt.Qt.TextSelectableByMouse
    assert label.alignment & qt.Qt.AlignRight
    assert label.textInteractionFlags == qt.Qt.TextSelectableByMouse
    dialog = qt.QProgressDialog()
    dialog.windowModality = qt.Qt.WindowModal
    assert dialog.windowModality == qt.Qt.WindowModal


def test_a_getter_that_is_a_property_cannot_be_called(qt):
    with pytest.raises(TypeError):
        qt.QLabel("Text").text()


def test_values_are_converted_as_pythonqt_converts_them(qt):
    slider, label = qt.QSlider(), qt.QLabel()
    slider.value = 7.9
    label.text = None
    label.enabled = []
    assert (slider.value, label.text, label.enabled) == (7, "None", False)
    with pytest.raises(AttributeError, match="'value' of type 'int' does not accept an object of type str"):
        slider.value = "7"


@pytest.mark.parametrize("name", ["txt", "setTxt", "_private"])
def test_an_unknown_attribute_is_an_error(qt, name):
    label = qt.QLabel()
    with pytest.raises(AttributeError):
        getattr(label, name)
    with pytest.raises(AttributeError, match="creating new attributes on C\\+\\+ objects is not allowed"):
        setattr(label, name, 1)


def test_a_method_or_a_signal_cannot_be_overwritten(qt):
    button = qt.QPushButton()
    for name in ("click", "clicked"):
        with pytest.raises(AttributeError, match="can not be overwritten"):
            setattr(button, name, print)


def test_a_property_without_a_setter_cannot_be_written(qt):
    with pytest.raises(AttributeError, match="not writable"):
        qt.QComboBox().count = 3


def test_dynamic_properties_and_children_are_attributes(qt):
    parent = qt.QWidget()
    parent.setProperty("SlicerParameterName", "iterations")
    child = qt.QLabel("Inside", parent)
    child.objectName = "statusLabel"
    assert parent.SlicerParameterName == "iterations"
    assert parent.statusLabel is child
    assert parent.property("nothing") is None


def test_children_are_found_by_class_and_name(qt):
    parent = qt.QWidget()
    inner = qt.QWidget(parent)
    button = qt.QPushButton("Apply", inner)
    button.objectName = "applyButton"
    assert parent.findChildren(qt.QAbstractButton) == [button]
    assert parent.findChild("QPushButton", "applyButton") is button
    assert parent.findChild(qt.QPushButton, "cancelButton") is None
    assert button.parent() is inner


def test_wrapper_classes_do_not_inherit_from_one_another_as_in_pythonqt(qt):
    label = qt.QLabel()
    assert isinstance(label, qt.QLabel)
    assert not isinstance(label, qt.QWidget)
    assert label.inherits("QWidget")
    assert label.className() == "QLabel"


def test_a_deleted_object_is_false_and_says_so_when_used(qt):
    label = qt.QLabel()
    label.deleteLater()
    panel_host.process_events()
    assert not label
    with pytest.raises(ValueError, match="'text' of a destroyed QLabel"):
        _ = label.text


def test_a_widget_is_refused_to_another_thread(qt):
    label, refused = qt.QLabel(), []

    def touch():
        try:
            label.text = "From a thread"
        except RuntimeError as error:
            refused.append(str(error))

    thread = threading.Thread(target=touch)
    thread.start()
    thread.join()
    assert refused == ["'text' of a Qt object was used outside the main thread."]


# Signals


def test_signals_connect_and_disconnect_by_text(qt):
    box, heard = qt.QCheckBox(), []
    box.connect("toggled(bool)", heard.append)
    box.checked = True
    assert box.disconnect("toggled( bool )", heard.append)
    box.checked = False
    assert heard == [True]


def test_signals_connect_and_disconnect_as_attributes(qt):
    box, heard = qt.QSpinBox(), []
    box.valueChanged.connect(heard.append)
    box.value = 3
    box.valueChanged.disconnect(heard.append)
    box.value = 4
    assert heard == [3]


def test_a_function_gets_as_many_arguments_as_it_takes(qt):
    button, heard = qt.QPushButton(), []

    class Listener:
        def nothing(self):
            heard.append("nothing")

        def one(self, checked):
            heard.append(checked)

    listener = Listener()
    button.connect("clicked(bool)", listener.nothing)
    button.connect("clicked(bool)", listener.one)
    button.connect("clicked()", lambda: heard.append("lambda"))
    button.click()
    assert heard == ["nothing", False, "lambda"]


def test_connections_keep_their_receivers_alive(qt):
    button, heard = qt.QPushButton(), []

    class Listener:
        def click(self):
            heard.append("clicked")

    button.connect("clicked()", Listener().click)
    gc.collect()
    button.click()
    assert heard == ["clicked"]


def test_a_slot_of_another_object_can_be_connected_by_text_or_as_attribute(qt):
    slider, box = qt.QSlider(), qt.QSpinBox()
    slider.connect("valueChanged(int)", box, "setValue(int)")
    box.connect("valueChanged(int)", slider.setValue)
    slider.value = 5
    assert box.value == 5
    box.value = 8
    assert slider.value == 8


def test_a_signal_that_does_not_exist_is_an_error(qt):
    with pytest.raises(RuntimeError, match=r"signal 'pressed\(bool\)' does not exist on QPushButton"):
        qt.QPushButton().connect("pressed(bool)", print)


def test_an_exception_in_a_slot_goes_to_the_console_and_not_to_the_sender(qt):
    button, heard = qt.QPushButton(), []
    button.connect("clicked()", lambda: 1 / 0)
    button.connect("clicked()", lambda: heard.append("next"))
    button.click()
    assert heard == ["next"]
    assert "ZeroDivisionError" in panel_host.console_errors[0]
    panel_host.console_errors.clear()


def test_exceptions_of_observers_and_threads_go_to_the_console_too(slicer_app, scene):
    scene.AddObserver(scene.NodeAddedEvent, lambda caller, event: 1 / 0)
    scene.AddNewNodeByClass("vtkMRMLTextNode")
    thread = threading.Thread(target=lambda: [][1])
    thread.start()
    thread.join()
    assert [error.splitlines()[-1].partition(":")[0] for error in panel_host.console_errors] == [
        "ZeroDivisionError",
        "IndexError",
    ]
    panel_host.console_errors.clear()


# Timers


def test_a_timer_ticks_while_the_event_loop_runs(qt):
    timer, ticks = qt.QTimer(), []
    timer.setInterval(1)
    timer.connect("timeout()", lambda: ticks.append(timer.active))
    timer.start()
    panel_host.wait_until(lambda: len(ticks) >= 3)
    timer.stop()
    assert all(ticks)
    assert not timer.active


def test_a_single_shot_fires_once_and_reports_its_errors(qt):
    fired = []
    qt.QTimer.singleShot(0, lambda: fired.append(1) or 1 / 0)
    panel_host.wait_until(lambda: fired)
    assert len(panel_host.console_errors) == 1
    panel_host.console_errors.clear()
    timer = qt.QTimer()
    timer.setSingleShot(True)
    assert timer.isSingleShot()
    with pytest.raises(AttributeError, match="can not be overwritten"):
        timer.singleShot = True


def test_waiting_for_what_does_not_happen_ends(slicer_app):
    with pytest.raises(TimeoutError, match=r"Not within 0\.05 s"):
        panel_host.wait_until(lambda: False, seconds=0.05)
