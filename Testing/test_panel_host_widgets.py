"""The stand-ins for widgets of CTK and Slicer behave as the real ones; the node selector follows the real scene."""

from __future__ import annotations

import pytest
import slicer
import slicer_host

pytest_plugins = ["panel_host.fixtures"]


@pytest.fixture
def ctk(slicer_app):
    import ctk

    return ctk


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


def test_a_selector_tells_once_that_the_scene_was_closed(selector, scene, add_volume):
    for name in ("A", "B", "C"):
        add_volume(name=name)
    heard = []
    selector.connect("currentNodeChanged(vtkMRMLNode*)", lambda node: heard.append(node))
    scene.Clear(0)
    assert heard == [None]


def test_a_selector_changes_scenes(selector, add_volume):
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
