"""A .ui file is loaded, and its widgets are bound to a parameter node both ways, as Slicer does it."""

from __future__ import annotations

import enum
import gc
import weakref
from typing import Annotated

import panel_host
import pytest
import slicer
from panel_host.parameter_node import Choice, WithinRange, parameter_node_wrapper

pytest_plugins = ["panel_host.fixtures"]


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
    assert form.volume.nodeCount() == 1


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


def test_a_value_that_a_widget_cannot_show_exactly_stays_as_it_was_set(ui, parameters):
    parameters.connectGui(ui)
    parameters.sigma = 1.2345
    assert ui.sigma.value == 1.23
    ui.steps.value = 3
    assert parameters.sigma == 1.2345


def test_disconnected_widgets_and_parameters_go_their_own_ways(ui, parameters):
    tag = parameters.connectGui(ui)
    parameters.disconnectGui(tag)
    parameters.disconnectGui(tag)
    ui.steps.value = 3
    parameters.refine = False
    assert parameters.steps == 16
    assert ui.refine.checked


def test_a_disconnected_parameter_node_goes_on_reading_as_in_slicer_5_10(ui, scene):
    node = scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
    parameters = Parameters(node)
    parameters.disconnectGui(parameters.connectGui(ui))
    wrapped = weakref.ref(parameters)
    del parameters
    gc.collect()
    node.SetParameter("steps", "7")
    assert wrapped().steps == 7


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


def test_a_parameter_is_read_anew_only_when_the_node_says_that_it_changed(parameters):
    node = parameters.parameterNode
    with slicer.util.NodeModify(node):
        node.SetParameter("steps", "3")
        assert parameters.steps == 16
    assert parameters.steps == 3


def test_a_widget_class_that_is_not_supplied_is_named(load_ui):
    with pytest.raises(NotImplementedError, match="ctkDirectoryButton in the"):
        load_ui({"volume": "ctkDirectoryButton"})
    panel_host.console_errors.clear()
