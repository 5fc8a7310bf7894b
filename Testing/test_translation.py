"""The library's sentences in the user's language, though the library knows no Slicer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import slicer.i18n

from NeuralDiffusionLib import DeviceError, WeightsError
from NeuralDiffusionLib.engine.devices import resolve_device
from NeuralDiffusionLib.engine.weights import load_weights
from NeuralDiffusionLib.translation import set_translator

GERMAN = {
    ("engine.devices", "Device '{name}' is not known: choose auto, cpu, cuda, cuda:N or mps."): (
        "Das Gerät '{name}' ist unbekannt."
    ),
    ("engine.weights", "Weights '{path}' cannot be read ({reason}): reinstall the extension."): (
        "Die Gewichte '{pfad}' sind nicht lesbar ({reason})."
    ),
}


@pytest.fixture
def german():
    set_translator(lambda context, text: GERMAN.get((context, text), text))
    yield
    set_translator(slicer.i18n.translate)


def test_a_sentence_is_translated_and_its_values_are_filled_in(german):
    with pytest.raises(DeviceError, match=r"^Das Gerät 'abacus' ist unbekannt\.$"):
        resolve_device("abacus")


def test_a_sentence_without_translation_stays_as_it_is(german):
    with pytest.raises(DeviceError, match=r"^Device 'cuda:99' is not there \(\d+ CUDA devices found\): choose another"):
        resolve_device("cuda:99")


def test_a_translation_with_other_values_is_not_used(german, tmp_path):
    with pytest.raises(WeightsError, match=r"^Weights '.*missing\.pt' cannot be read \(No such file or directory\): "):
        load_weights(tmp_path / "missing.pt")


@pytest.mark.parametrize(
    "then", ["", "[sys.modules.pop(name) for name in list(sys.modules) if name.startswith('Neural')]"]
)
def test_the_module_has_them_translated_by_slicer_also_after_a_reload(then):
    program = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).resolve().parent)!r})\n"
        "import slicer_host; slicer_host.install()\n"
        "import slicer; slicer.i18n.translate = lambda context, text: f'[{context}] {text}'\n"
        "import NeuralDiffusion\n"
        f"{then}\n"
        "import NeuralDiffusion\n"
        "from NeuralDiffusionLib.engine.domain_checks import shape_warnings\n"
        "print(*shape_warnings((9, 9, 99), (1, 1, 1), 2))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.stdout.startswith("[engine.domain_checks] The slices have 9 x 9 pixels"), run.stderr
