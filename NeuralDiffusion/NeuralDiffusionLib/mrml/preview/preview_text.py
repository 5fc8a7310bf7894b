"""What a preview shows, in a line."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _

from ..nodes.planes import SlicesAlong, plane_label, slice_axis
from ..views.shown_slice import SliceInView


def why_no_preview(view: slicer.vtkMRMLSliceNode) -> str:
    """Return why a slice view cannot show the preview of one slice as it shows the volume, or nothing."""
    if not view.GetSlabReconstructionEnabled():
        return ""
    message = _("No preview: the {view} view shows a slab of several slices, so switch slab reconstruction off there.")
    return message.format(view=view.GetLayoutName())


def preview_text(
    volume: slicer.vtkMRMLScalarVolumeNode, shown: SliceInView, slices_along: SlicesAlong, view: str
) -> str:
    """Say which slice of a volume a preview shows, and what it does not tell of the whole run.

    Parameters
    ----------
    volume
        Volume with an image.
    shown
        Its slice in the view.
    slices_along
        What was chosen for the whole run.
    view
        Name of the view.

    Raises
    ------
    InvalidVolumeError
        If the volume's IJK to RAS has no inverse.
    """
    if shown.index is None:
        return _("No preview: the {view} view lies beside '{volume}'.").format(view=view, volume=volume.GetName())
    sentences = [
        _("Preview: {plane} slice {number} of {count} in the {view} view.").format(
            plane=plane_label(volume, shown.axis),
            number=shown.index + 1,
            count=volume.GetImageData().GetDimensions()[2 - shown.axis],
            view=view,
        )
    ]
    axis = slice_axis(volume, slices_along)
    if slices_along is SlicesAlong.THREE_PLANES:
        sentences.append(_("Apply will average the three planes."))
    elif axis != shown.axis:
        sentences.append(_("Apply will denoise {plane} slices.").format(plane=plane_label(volume, axis)))
    if not shown.fills_view:
        sentences.append(
            _("The view cuts this slice at an angle and shows a strip of it: rotate the view to the volume plane.")
        )
    return " ".join(sentences)
