"""The panel of the module, one part of it a file; all that knows of Qt is here and in the module file."""

from .apply_section import ApplySection
from .comparison_section import ComparisonSection
from .device_section import DeviceSection
from .diffusion_section import DiffusionSection
from .inputs_section import InputsSection
from .look_section import LookSection
from .maps_section import MapsSection
from .overlay_section import OverlaySection
from .preview_section import PreviewSection
from .run_section import RunSection

# In the order in which they are made and brought up to date; the first is the panel's `runs`.
SECTIONS = (
    RunSection,
    InputsSection,
    DiffusionSection,
    PreviewSection,
    ApplySection,
    LookSection,
    OverlaySection,
    MapsSection,
    ComparisonSection,
    DeviceSection,
)
