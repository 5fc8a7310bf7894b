"""Sequences (4-D scans) in the MRML scene: all frames denoised, and kept beside the originals."""

from __future__ import annotations

from collections.abc import Sequence

import slicer
from slicer.i18n import tr as _

from ...errors import InvalidVolumeError
from .provenance import PREFIX, read_provenance
from .scene_nodes import nodes_of_class
from .volumes import check_input, copy_display, copy_units, number_alike, write_volume


def browser_and_sequence_of(
    volume_node: slicer.vtkMRMLScalarVolumeNode,
) -> tuple[slicer.vtkMRMLSequenceBrowserNode, slicer.vtkMRMLSequenceNode] | None:
    """Find the first sequence browser that shows frames in a volume, and their sequence; nothing if there is none."""
    scene = volume_node.GetScene()
    if scene is None:
        return None
    for browser in nodes_of_class(scene, "vtkMRMLSequenceBrowserNode"):
        sequence = browser.GetSequenceNode(volume_node)
        if sequence is not None:
            return browser, sequence
    return None


def frames_of(volume_node: slicer.vtkMRMLScalarVolumeNode) -> int:
    """Count the frames of the sequence that a volume shows; 1 when it shows none."""
    found = browser_and_sequence_of(volume_node)
    return 1 if found is None else max(1, found[1].GetNumberOfDataNodes())


def frame_shown_in(volume_node: slicer.vtkMRMLScalarVolumeNode) -> str | None:
    """Return the index value of the frame of a sequence that a volume shows; nothing when it follows none."""
    found = browser_and_sequence_of(volume_node)
    if found is None or not found[0].GetPlayback(found[1]):
        return None
    browser, sequence = found
    number = _number_of_shown(browser, sequence)
    return None if number is None else sequence.GetNthIndexValue(number)


def read_frames(volume_node: slicer.vtkMRMLScalarVolumeNode) -> list[slicer.vtkMRMLScalarVolumeNode]:
    """Return the frames of the sequence that a volume shows, in the order of the sequence; they are not copies.

    Raises
    ------
    InvalidVolumeError
        If the volume shows no sequence, its browser is recording, or a frame cannot be denoised.
    """
    found = browser_and_sequence_of(volume_node)
    if found is None or found[1].GetNumberOfDataNodes() == 0:
        raise InvalidVolumeError(
            _("'{name}' shows no frames of a sequence: denoise it as a single volume.").format(
                name=volume_node.GetName()
            )
        )
    browser, sequence = found
    if browser.GetRecordingActive():
        raise InvalidVolumeError(
            _("'{name}' is recording frames: stop the recording, then denoise them.").format(name=browser.GetName())
        )
    frames = [sequence.GetNthDataNode(number) for number in range(sequence.GetNumberOfDataNodes())]
    for number, frame in enumerate(frames, start=1):
        try:
            check_input(frame)
        except InvalidVolumeError as error:
            raise InvalidVolumeError(
                _("Frame {number} of {count}: {reason}").format(number=number, count=len(frames), reason=error)
            ) from error
    return frames


def write_frames(
    volume_node: slicer.vtkMRMLScalarVolumeNode,
    frames: Sequence[slicer.vtkMRMLScalarVolumeNode],
    contents: Sequence[slicer.vtkMRMLScalarVolumeNode],
    name: str,
) -> slicer.vtkMRMLScalarVolumeNode:
    """Add denoised frames to the scene: a sequence beside the original, in the same browser, with a proxy volume.

    The sequence has the index name, unit, type and values of the original, and each frame its geometry; the proxy
    has the original proxy's parent transform, window and level, units, and place in the Subject Hierarchy.

    Parameters
    ----------
    volume_node
        Proxy volume of the original sequence.
    frames
        The frames that were denoised, as from `read_frames`.
    contents
        A volume node for each: its image, which is shared and not copied, and its attributes are taken.
    name
        Name of the new proxy volume.

    Returns
    -------
    vtkMRMLScalarVolumeNode
        The new proxy volume.

    Raises
    ------
    InvalidVolumeError
        If the sequence no longer has these frames, or is not shown by the volume any more.
    """
    found = browser_and_sequence_of(volume_node)
    if found is None or list(frames) != read_frames(volume_node):
        raise InvalidVolumeError(
            _("The frames of '{name}' were changed or removed during the run: denoise them again.").format(
                name=volume_node.GetName()
            )
        )
    browser, original = found
    sequence = slicer.vtkMRMLSequenceNode()
    # As Slicer names the sequence of a proxy volume.
    sequence.SetName(f"{name}-Sequence")
    sequence.SetIndexName(original.GetIndexName())
    sequence.SetIndexUnit(original.GetIndexUnit())
    sequence.SetIndexType(original.GetIndexType())
    # Within a tolerance a frame would replace another one: values are kept apart until all are there.
    sequence.SetNumericIndexValueTolerance(0)
    for number, (frame, content) in enumerate(zip(frames, contents, strict=True)):
        _add_frame(sequence, original.GetNthIndexValue(number), frame, content, name)
    sequence.SetNumericIndexValueTolerance(original.GetNumericIndexValueTolerance())
    return _add_to_browser(browser, original, sequence, volume_node, name)


def _add_frame(
    sequence: slicer.vtkMRMLSequenceNode,
    index_value: str,
    frame: slicer.vtkMRMLScalarVolumeNode,
    content: slicer.vtkMRMLScalarVolumeNode,
    name: str,
) -> None:
    node = slicer.vtkMRMLScalarVolumeNode()
    node.CopyContent(frame, False)
    # The sequence copies deeply what it is given: the image is put in afterwards, so that it is not held twice.
    node.SetAndObserveImageData(None)
    for attribute in read_provenance(node):
        node.RemoveAttribute(PREFIX + attribute)
    for attribute in content.GetAttributeNames():
        node.SetAttribute(attribute, content.GetAttribute(attribute))
    node.SetAttribute("Sequences.BaseName", name)
    number_alike(content.GetImageData(), frame)
    sequence.SetDataNodeAtValue(node, index_value).SetAndObserveImageData(content.GetImageData())


def _add_to_browser(
    browser: slicer.vtkMRMLSequenceBrowserNode,
    original: slicer.vtkMRMLSequenceNode,
    sequence: slicer.vtkMRMLSequenceNode,
    volume_node: slicer.vtkMRMLScalarVolumeNode,
    name: str,
) -> slicer.vtkMRMLScalarVolumeNode:
    scene = volume_node.GetScene()
    scene.AddNode(sequence)
    proxy = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    try:
        _fill_proxy(proxy, _shown_frame(browser, sequence), volume_node)
    except BaseException:
        # The frame that is shown is copied, for which memory may not be enough.
        for node in (proxy, sequence):
            scene.RemoveNode(node)
        raise
    with slicer.util.NodeModify(browser):
        # Both at once: a sequence that the browser knows without a proxy would be given one by Slicer.
        browser.AddProxyNode(proxy, sequence, False)
        browser.SetPlayback(sequence, browser.GetPlayback(original))
        browser.SetMissingItemMode(sequence, browser.GetMissingItemMode(original))
    return proxy


def _fill_proxy(
    proxy: slicer.vtkMRMLScalarVolumeNode,
    frame: slicer.vtkMRMLScalarVolumeNode,
    volume_node: slicer.vtkMRMLScalarVolumeNode,
) -> None:
    extent = frame.GetImageData().GetExtent()
    write_volume(proxy, frame.GetImageData(), volume_node)
    # It is the frame's own, numbered as the frame was.
    frame.GetImageData().SetExtent(extent)
    # A copy, as Slicer makes it on each change of frame: what is done to the proxy is not done to the frame.
    proxy.CopyContent(frame)
    copy_display(proxy, volume_node)
    copy_units(proxy, volume_node)


def _shown_frame(
    browser: slicer.vtkMRMLSequenceBrowserNode, sequence: slicer.vtkMRMLSequenceNode
) -> slicer.vtkMRMLScalarVolumeNode:
    """The frame that the browser has selected, or the first."""
    return sequence.GetNthDataNode(_number_of_shown(browser, sequence) or 0)


def _number_of_shown(browser: slicer.vtkMRMLSequenceBrowserNode, sequence: slicer.vtkMRMLSequenceNode) -> int | None:
    """Which frame of a sequence lies at the value that the browser has selected, or is the last one before it."""
    selected = browser.GetSelectedItemNumber()
    if selected < 0:
        return None
    # That of the browser's first sequence: others may have fewer frames.
    value = browser.GetMasterSequenceNode().GetNthIndexValue(selected)
    number = sequence.GetItemNumberFromIndexValue(value, False)
    return None if number < 0 else number
