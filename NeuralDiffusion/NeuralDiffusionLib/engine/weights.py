"""The file of weights: a plain state dict with its metadata, read without executing anything."""

from __future__ import annotations

import hashlib
import io
import pickle
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from ..errors import WeightsError
from ..file_names import check_no_pipe
from ..network.neural_diffusion import Architecture, NeuralDiffusionNetwork
from ..translation import translator

_ = translator(__name__)

BUNDLED_WEIGHTS = Path(__file__).parent.parent / "weights" / "neural_diffusion.pt"
DAMAGED = (zipfile.BadZipFile, pickle.UnpicklingError, RuntimeError, EOFError, ValueError, LookupError, TypeError)
"""What reading a file that is no file of weights, or only a part of one, raises; NotImplementedError is among them."""
_FORMAT = 2


@dataclass(frozen=True)
class LoadedWeights:
    """A network ready for use, the metadata of its file (how it was trained) and the file's SHA-256."""

    network: NeuralDiffusionNetwork
    metadata: dict[str, str]
    sha256: str


def save_weights(path: Path, network: NeuralDiffusionNetwork, metadata: dict[str, str]) -> None:
    """Write what `weights_file` gives."""
    path.write_bytes(weights_file(network, metadata))


def weights_file(network: NeuralDiffusionNetwork, metadata: dict[str, str]) -> bytes:
    """The network's weights and how they were made, as they stand in a file, whatever its name will be.

    Kernels and matrices are rounded to float16, which is finer than the bfloat16 that they are computed with; the file
    is half as large.
    """
    state = {
        name: (tensor.half() if tensor.ndim > 1 else tensor).detach().cpu().contiguous()
        for name, tensor in network.state_dict().items()
    }
    content = {
        "format": _FORMAT,
        "architecture": asdict(network.architecture),
        "metadata": metadata,
        "state_dict": state,
    }
    # On the disk PyTorch would put the file's name into it, and the same weights would have another SHA-256.
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def load_weights(path: Path = BUNDLED_WEIGHTS) -> LoadedWeights:
    """Read a file written by `save_weights`.

    Raises
    ------
    WeightsError
        If the file is missing, damaged, of a newer version or made for another network. Code in it is never run.
    """
    try:
        check_no_pipe(path)
        file = path.read_bytes()
    except OSError as error:
        message = (
            _("Weights '{path}' cannot be read ({reason}): reinstall the extension.")
            if path == BUNDLED_WEIGHTS
            else _("Weights '{path}' cannot be read ({reason}): name a file that 'neural-diffusion export' wrote.")
        )
        raise WeightsError(message.format(path=path, reason=error.strerror)) from error
    try:
        content = unpack(file)
    except DAMAGED as error:
        message = _("Weights '{path}' are damaged: reinstall the extension or export them again.")
        raise WeightsError(message.format(path=path)) from error
    if isinstance(content, dict) and "pytorch-lightning_version" in content:
        message = _(
            "Weights '{path}' are a checkpoint of a training: make a file of it with 'neural-diffusion export'."
        )
        raise WeightsError(message.format(path=path))
    try:
        if content["format"] > _FORMAT:
            message = _("Weights '{path}' were written by a newer version: update the extension.")
            raise WeightsError(message.format(path=path))
        if content["format"] != _FORMAT:
            raise KeyError("format")
        network = NeuralDiffusionNetwork(Architecture(**content["architecture"]))
        network.load_state_dict(content["state_dict"])
        metadata = dict(content["metadata"])
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError) as error:
        message = _("Weights '{path}' were made for another network: use a file exported by this version.")
        raise WeightsError(message.format(path=path)) from error
    if not all(tensor.isfinite().all() for tensor in network.state_dict().values()):
        message = _("Weights '{path}' hold NaN or infinity, as after a training that failed: train them again.")
        raise WeightsError(message.format(path=path))
    return LoadedWeights(network.eval(), metadata, hashlib.sha256(file).hexdigest())


def unpack(file: bytes) -> Any:
    """Return what `torch.save` wrote; code in it is never run.

    Raises
    ------
    Exception
        One of `DAMAGED`, if it is not whole.
    """
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        # PyTorch takes contents that do not have their checksums without a word.
        if archive.testzip() is not None:
            raise zipfile.BadZipFile("wrong checksum")
    return torch.load(io.BytesIO(file), map_location="cpu", weights_only=True)
