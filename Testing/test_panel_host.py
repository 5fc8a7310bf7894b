"""The stand-in for the application behaves as Slicer, CTK and PythonQt do, so that a panel tested on it works there."""

from __future__ import annotations

import enum
import gc
import subprocess
import sys
import threading
from typing import Annotated

import panel_host
import pytest
import slicer
from panel_host import qt_libraries
from panel_host.parameter_node import Choice, WithinRange, parameter_node_wrapper

pytest_plugins = ["panel_host.fixtures"]


@pytest.fixture
def qt(slicer_app):
    import qt

    return qt


@pytest.fixture
def ctk(slicer_app):
    import ctk

    return ctk


# What PythonQt makes of Qt's objects


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


# CTK's widgets


def test_a_slider_clips_and_tells_of_changes_only(ctk):
    slider, heard = ctk.ctkSliderWidget(), []
    slider.connect("valueChanged(double)", heard.append)
    slider.minimum, slider.maximum = 1, 64
    slider.value = 16
    slider.value = 16
    slider.value = 100
    assert heard == [1.0, 16.0, 64.0]
    slider.setValue(3)
    assert slider.spinBox().value == 3


def test_a_slider_keeps_what_it_does_not_show(ctk):
    slider = ctk.ctkSliderWidget()
    slider.decimals = 1
    slider.value = 0.123
    assert slider.value == 0.123
    assert slider.spinBox().value == 0.1


def test_dragging_a_slider_without_tracking_changes_the_value_at_the_end(ctk):
    slider, changing, changed = ctk.ctkSliderWidget(), [], []
    slider.tracking = False
    slider.connect("valueIsChanging(double)", changing.append)
    slider.connect("valueChanged(double)", changed.append)
    handle = slider.slider()
    handle.setSliderDown(True)
    handle.value = 5
    handle.value = 9
    assert (changing, changed) == ([5.0, 9.0], [])
    handle.setSliderDown(False)
    assert changed == [9.0]


def test_a_section_hides_what_it_holds_but_not_what_was_hidden(qt, ctk):
    section, told = ctk.ctkCollapsibleButton(), []
    layout = qt.QVBoxLayout(section)
    shown, hidden = qt.QLabel("Shown"), qt.QLabel("Hidden")
    layout.addWidget(shown)
    layout.addWidget(hidden)
    hidden.visible = False
    section.connect("contentsCollapsed(bool)", told.append)
    section.show()
    section.collapsed = True
    assert (shown.visible, hidden.visible) == (False, False)
    section.click()
    assert (section.collapsed, shown.visible, hidden.visible) == (False, True, False)
    assert told == [True, False]


# The node selector over the real scene


@pytest.fixture
def selector(slicer_app, scene):
    """A selector of scalar volumes that has to choose one, as for an input; it has the scene."""
    selector = slicer.qMRMLNodeComboBox()
    selector.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    selector.showChildNodeTypes = False
    selector.addEnabled = selector.removeEnabled = False
    selector.setMRMLScene(scene)
    return selector


def names(selector):
    return [selector.nodeFromIndex(index).GetName() for index in range(selector.nodeCount())]


def test_a_selector_is_disabled_until_it_has_a_scene_and_keeps_what_was_asked_for(slicer_app, scene, add_volume):
    add_volume(name="First")
    wanted = add_volume(name="Second")
    selector = slicer.qMRMLNodeComboBox()
    selector.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    selector.setCurrentNodeID(wanted.GetID())
    assert not selector.enabled
    selector.setMRMLScene(scene)
    assert selector.enabled
    assert selector.currentNode() is wanted


def test_a_selector_follows_the_nodes_of_the_scene(selector, scene, add_volume):
    first = add_volume(name="First")
    add_volume(name="Labels", node_class="vtkMRMLLabelMapVolumeNode")
    second = add_volume(name="Second")
    assert names(selector) == ["First", "Second"]
    second.SetName("Renamed")
    assert names(selector) == ["First", "Renamed"]
    second.HideFromEditorsOn()
    assert names(selector) == ["First"]
    selector.showHidden = True
    assert names(selector) == ["First", "Renamed"]
    scene.RemoveNode(first)
    assert names(selector) == ["Renamed"]


def test_a_selector_chooses_the_first_node_and_the_next_when_it_goes(selector, scene, add_volume):
    chosen = []
    selector.connect("currentNodeChanged(vtkMRMLNode*)", lambda node: chosen.append(node and node.GetName()))
    volumes = [add_volume(name=name) for name in ("A", "B", "C")]
    selector.setCurrentNode(volumes[1])
    for volume in (volumes[1], volumes[2], volumes[0]):
        scene.RemoveNode(volume)
    assert chosen == ["A", "B", "C", "A", None]


def test_a_selector_with_none_chooses_nothing_by_itself(selector, add_volume):
    selector.noneEnabled = True
    add_volume()
    assert selector.currentNode() is None
    assert selector.currentNodeID == ""
    selector.setCurrentNodeIndex(0)
    assert selector.currentNode().GetName() == "Scan"


def test_a_selector_tells_in_three_ways_and_of_a_new_name(selector, add_volume):
    heard = []
    selector.connect("currentNodeChanged(vtkMRMLNode*)", lambda node: heard.append(node.GetName()))
    selector.connect("currentNodeChanged(bool)", heard.append)
    selector.connect("currentNodeIDChanged(QString)", heard.append)
    volume = add_volume(name="Scan")
    volume.SetName("Renamed")
    assert heard == ["Scan", True, volume.GetID(), "Renamed", True, volume.GetID()]


def test_a_selector_adds_and_removes_nodes(selector, scene):
    selector.baseName = "Denoised"
    node = selector.addNode()
    assert node.GetName() == "Denoised"
    assert selector.currentNode() is node
    selector.removeCurrentNode()
    assert scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0


def test_a_selector_shows_what_is_left_after_the_scene_was_closed(selector, scene, add_volume):
    add_volume()
    scene.Clear(0)
    assert names(selector) == []
    assert selector.currentNode() is None


def test_a_selector_changes_scenes(selector, add_volume):
    import slicer_host

    add_volume()
    other = slicer_host.new_scene()
    other.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Elsewhere")
    selector.setMRMLScene(other)
    assert names(selector) == ["Elsewhere"]
    add_volume(name="Not here")
    assert names(selector) == ["Elsewhere"]


def test_a_deleted_selector_is_no_obstacle_to_the_scene(selector, scene, add_volume):
    selector.delete()
    add_volume()
    scene.Clear(0)


def test_a_selector_can_ask_for_an_attribute(selector, add_volume):
    add_volume(name="Other")
    selector.addAttribute("vtkMRMLScalarVolumeNode", "NeuralDiffusion.Kind", "conduction")
    assert names(selector) == []
    add_volume(name="Map").SetAttribute("NeuralDiffusion.Kind", "conduction")
    assert names(selector) == ["Map"]


def test_colour_tables_are_offered_though_hidden(slicer_app, scene):
    selector = slicer.qMRMLColorTableComboBox()
    selector.setMRMLScene(scene)
    assert {"Grey", "Viridis"} <= set(names(selector))


# The .ui file and the parameter node

UI = """<ui version="4.0"><class>Form</class><widget class="qMRMLWidget" name="Form"><layout class="QVBoxLayout">
{widgets}</layout></widget><customwidgets>
<customwidget><class>qMRMLWidget</class><extends>QWidget</extends><header/><container>1</container></customwidget>
</customwidgets><connections><connection><sender>Form</sender><signal>mrmlSceneChanged(vtkMRMLScene*)</signal>
<receiver>volume</receiver><slot>setMRMLScene(vtkMRMLScene*)</slot></connection></connections></ui>"""
ITEM = """<item><widget class="{kind}" name="{name}"><property name="SlicerParameterName" stdset="0">
<string notr="true">{name}</string></property></widget></item>"""


class Plane(enum.Enum):
    AXIAL = "axial"
    CORONAL = "coronal"

    def label(self):
        return self.value.capitalize()


@parameter_node_wrapper
class Parameters:
    volume: slicer.vtkMRMLScalarVolumeNode
    plane: Plane = Plane.CORONAL
    neighbours: Annotated[int, Choice([4, 8])] = 8
    steps: Annotated[int, WithinRange(1, 64)] = 16
    spins: Annotated[int, WithinRange(1, 64)] = 16
    opacity: Annotated[float, WithinRange(0, 1)] = 0.4
    sigma: Annotated[float, WithinRange(0, 500)] = 2.5
    refine: bool = True
    preview: bool = False
    note: str = "none"


WIDGETS = {
    "volume": "qMRMLNodeComboBox",
    "plane": "QComboBox",
    "neighbours": "QComboBox",
    "steps": "ctkSliderWidget",
    "spins": "QSpinBox",
    "opacity": "ctkDoubleSpinBox",
    "sigma": "QDoubleSpinBox",
    "refine": "QCheckBox",
    "preview": "QPushButton",
    "note": "QLineEdit",
}


@pytest.fixture
def load_ui(slicer_app, tmp_path):
    """Load a form with one widget of each class, each named after the parameter that it carries."""

    def load(widgets):
        path = tmp_path / "Form.ui"
        path.write_text(UI.format(widgets="".join(ITEM.format(kind=kind, name=name) for name, kind in widgets.items())))
        return slicer.util.loadUI(str(path))

    return load


@pytest.fixture
def parameters(scene):
    return Parameters(scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode"))


@pytest.fixture
def ui(load_ui, scene):
    form = load_ui(WIDGETS)
    form.setMRMLScene(scene)
    ui = slicer.util.childWidgetVariables(form)
    ui.form = form
    return ui


def shown(ui):
    return {
        "volume": ui.volume.currentNode(),
        "plane": ui.plane.currentText,
        "neighbours": ui.neighbours.currentText,
        "steps": ui.steps.value,
        "spins": ui.spins.value,
        "opacity": ui.opacity.value,
        "sigma": ui.sigma.value,
        "refine": ui.refine.checked,
        "preview": ui.preview.checked,
        "note": ui.note.text,
    }


def kept(parameters):
    return {name: getattr(parameters, name) for name in parameters.allParameters}


def test_a_ui_file_is_loaded_with_its_connections(ui, scene):
    assert {name: widget.className() for name, widget in vars(ui).items() if name in WIDGETS} == WIDGETS
    assert ui.volume.mrmlScene() is scene


def test_widgets_loaded_from_a_file_outlive_their_python_names(load_ui, scene, add_volume):
    form = load_ui(WIDGETS)
    form.setMRMLScene(scene)
    form.volume.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    gc.collect()
    add_volume()
    assert names(form.volume) == ["Scan"]


def test_connected_widgets_show_the_parameters(ui, parameters):
    parameters.connectGui(ui)
    assert shown(ui) == {
        "volume": None,
        "plane": "Coronal",
        "neighbours": "8",
        "steps": 16,
        "spins": 16,
        "opacity": 0.4,
        "sigma": 2.5,
        "refine": True,
        "preview": False,
        "note": "none",
    }
    assert (ui.steps.minimum, ui.steps.maximum, ui.steps.decimals) == (1, 64, 0)
    assert (ui.opacity.minimum, ui.opacity.maximum) == (0, 1)
    assert (ui.spins.minimum, ui.spins.maximum) == (1, 64)
    assert ui.volume.nodeTypes == ["vtkMRMLScalarVolumeNode"]
    assert ui.preview.checkable


def test_what_the_user_does_reaches_the_parameters(ui, parameters, add_volume):
    parameters.connectGui(ui)
    volume = add_volume()
    ui.volume.setCurrentNode(volume)
    ui.plane.currentIndex = 0
    ui.neighbours.currentIndex = 0
    ui.steps.value, ui.spins.value, ui.opacity.value, ui.sigma.value = 3, 4, 0.75, 12
    ui.refine.click()
    ui.preview.click()
    ui.note.text = "typed"
    assert kept(parameters) == {
        "volume": volume,
        "plane": Plane.AXIAL,
        "neighbours": 4,
        "steps": 3,
        "spins": 4,
        "opacity": 0.75,
        "sigma": 12,
        "refine": False,
        "preview": True,
        "note": "typed",
    }


def test_what_a_script_does_reaches_the_widgets(ui, parameters, add_volume):
    parameters.connectGui(ui.form)
    volume = add_volume()
    parameters.volume, parameters.plane, parameters.neighbours = volume, Plane.AXIAL, 4
    parameters.steps = parameters.spins = 5
    parameters.opacity, parameters.sigma = 0.25, 9.5
    parameters.refine, parameters.preview, parameters.note = False, True, "written"
    assert list(shown(ui).values()) == [volume, "Axial", "4", 5, 5, 0.25, 9.5, False, True, "written"]


def test_disconnected_widgets_and_parameters_go_their_own_ways(ui, parameters):
    tag = parameters.connectGui(ui)
    parameters.disconnectGui(tag)
    parameters.disconnectGui(tag)
    ui.steps.value = 3
    parameters.refine = False
    assert parameters.steps == 16
    assert ui.refine.checked


def test_one_panel_can_be_handed_from_one_parameter_node_to_another(ui, parameters, scene):
    other = Parameters(scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode"))
    parameters.steps, other.steps = 3, 40
    parameters.disconnectGui(parameters.connectGui(ui))
    other.connectGui(ui)
    ui.steps.value = 41
    assert (parameters.steps, other.steps) == (3, 41)


def test_a_widget_for_a_parameter_that_is_not_there_is_an_error(load_ui, parameters):
    ui = slicer.util.childWidgetVariables(load_ui({"volume": "qMRMLNodeComboBox", "strength": "QSpinBox"}))
    with pytest.raises(ValueError, match="Cannot find a param with the given name: strength"):
        parameters.connectGui(ui)


@pytest.mark.parametrize(("name", "kind"), [("plane", "QLineEdit"), ("steps", "QCheckBox"), ("note", "QComboBox")])
def test_a_widget_that_cannot_show_its_parameter_is_an_error(load_ui, parameters, name, kind):
    ui = slicer.util.childWidgetVariables(load_ui({"volume": "qMRMLNodeComboBox", name: kind}))
    with pytest.raises(RuntimeError, match=r"Unable to create GUI connector|requires the Choice annotation"):
        parameters.connectGui(ui)


def test_a_parameter_that_the_node_has_lost_is_its_default_again(parameters):
    parameters.steps = 3
    parameters.parameterNode.UnsetParameter("steps")
    assert parameters.steps == 16


def test_a_widget_class_that_is_not_supplied_is_named(load_ui):
    with pytest.raises(NotImplementedError, match="ctkDirectoryButton in the"):
        load_ui({"volume": "ctkDirectoryButton"})
    panel_host.console_errors.clear()


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


def test_importing_the_package_loads_no_qt():
    program = "import sys, slicer_host, panel_host; print({'PySide6', 'qt'} & set(sys.modules))"
    testing = str(panel_host.__path__[0]).removesuffix("/panel_host")
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=testing)
    assert run.stdout == "set()\n", run.stderr
