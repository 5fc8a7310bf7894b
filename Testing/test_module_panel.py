"""The panel's .ui file against the parameter node, the widget's code and Slicer's widget classes."""

from __future__ import annotations

import ast
import enum
import typing
from pathlib import Path
from xml.etree import ElementTree

import pytest
import slicer

from NeuralDiffusion import NeuralDiffusionParameterNode

MODULE = Path(__file__).resolve().parent.parent / "NeuralDiffusion"
QT_CLASSES = {"QLabel", "QComboBox", "QCheckBox", "QPushButton", "QProgressBar", "QDoubleSpinBox"}
FILLED_BY_THE_PANEL = {"device", "showConduction", "showRemoved", "beforeAfter", "sideBySide"}
"""Parameters without a binding: devices are not known before PyTorch is loaded, and looks follow the slice views."""
SLICER_CLASSES = {"qMRMLWidget", "qMRMLNodeComboBox", "ctkCollapsibleButton", "ctkSliderWidget"}


@pytest.fixture(scope="module")
def panel():
    return ElementTree.parse(MODULE / "Resources" / "UI" / "NeuralDiffusion.ui").getroot()


def widgets(panel):
    return {widget.get("name"): widget for widget in panel.iter("widget")}


def text_of(widget, name):
    for element in widget.findall("property"):
        if element.get("name") == name:
            return "".join(element.itertext()).strip()
    return None


def bound(panel):
    """The widgets that carry a parameter, by the parameter's name."""
    found = [(text_of(widget, "SlicerParameterName"), widget) for widget in panel.iter("widget")]
    return {name: widget for name, widget in found if name}


def test_every_parameter_has_a_widget_and_every_bound_widget_a_parameter(panel):
    assert sorted(bound(panel)) == sorted(set(NeuralDiffusionParameterNode.allParameters) - FILLED_BY_THE_PANEL)


def test_no_parameter_is_bound_twice(panel):
    names = [text_of(widget, "SlicerParameterName") for widget in panel.iter("widget")]
    assert len([name for name in names if name]) == len(bound(panel))


def test_each_parameter_has_a_widget_that_slicer_can_connect_it_to(panel):
    # What slicer.parameterNodeWrapper's connectors accept, as far as the module uses it.
    hints = typing.get_type_hints(NeuralDiffusionParameterNode, include_extras=True)
    for name, widget in bound(panel).items():
        kind, *annotations = typing.get_args(hints[name]) or (hints[name],)
        ranged = any(hasattr(annotation, "minimum") for annotation in annotations)
        if issubclass(kind, slicer.vtkMRMLNode):
            expected = "qMRMLNodeComboBox"
        elif kind is bool:
            expected = "QCheckBox"
        elif issubclass(kind, enum.Enum) or not ranged:
            expected = "QComboBox"
        else:
            expected = "QDoubleSpinBox" if name == "sigma" else "ctkSliderWidget"
        assert widget.get("class") == expected, name


def test_parameter_names_are_not_offered_for_translation(panel):
    for widget in bound(panel).values():
        text = widget.find("property[@name='SlicerParameterName']/string")
        assert text.get("notr") == "true"


def test_the_sliders_cover_the_range_of_their_parameters(panel):
    hints = typing.get_type_hints(NeuralDiffusionParameterNode, include_extras=True)
    for name, widget in bound(panel).items():
        if widget.get("class") == "ctkSliderWidget":
            limits = typing.get_args(hints[name])[1]
            assert float(text_of(widget, "minimum") or 0) == limits.minimum
            assert float(text_of(widget, "maximum")) == limits.maximum


def test_all_widgets_are_qts_or_slicers_and_slicers_are_declared(panel):
    used = {widget.get("class") for widget in panel.iter("widget")}
    assert used <= QT_CLASSES | SLICER_CLASSES
    assert {element.findtext("class") for element in panel.iter("customwidget")} == used & SLICER_CLASSES


def test_every_node_selector_follows_the_scene(panel):
    connected = {
        connection.findtext("receiver")
        for connection in panel.iter("connection")
        if connection.findtext("signal") == "mrmlSceneChanged(vtkMRMLScene*)"
        and connection.findtext("slot") == "setMRMLScene(vtkMRMLScene*)"
        and connection.findtext("sender") == panel.find("widget").get("name")
    }
    selectors = {name for name, widget in widgets(panel).items() if widget.get("class") == "qMRMLNodeComboBox"}
    assert connected == selectors


def test_node_selectors_offer_scalar_volumes_or_segmentations_only(panel):
    for name, widget in widgets(panel).items():
        if widget.get("class") == "qMRMLNodeComboBox":
            kind = "vtkMRMLSegmentationNode" if name == "maskSelector" else "vtkMRMLScalarVolumeNode"
            assert text_of(widget, "nodeTypes") == kind
            assert text_of(widget, "showChildNodeTypes") == "false"


def test_the_code_uses_only_widgets_that_are_in_the_panel(panel):
    files = [MODULE / "NeuralDiffusion.py", *(MODULE / "NeuralDiffusionPanel").glob("*.py")]
    used = {
        node.attr
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.value.attr == "ui"
    }
    assert used
    assert used <= set(widgets(panel))


def test_every_control_says_what_it_does(panel):
    for name, widget in widgets(panel).items():
        if widget.get("class") not in ("QLabel", "qMRMLWidget", "ctkCollapsibleButton"):
            assert text_of(widget, "toolTip"), name


def test_every_control_has_a_name_for_who_cannot_see_the_label_beside_it(panel):
    for name, widget in widgets(panel).items():
        if widget.get("class") not in ("QLabel", "qMRMLWidget", "ctkCollapsibleButton", "QProgressBar"):
            assert text_of(widget, "accessibleName") or text_of(widget, "text"), name


def test_the_user_reads_what_it_is_not_for(panel):
    assert "not for diagnosis" in text_of(widgets(panel)["researchUseLabel"], "text")
