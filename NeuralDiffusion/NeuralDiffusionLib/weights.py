"""The file of weights: a plain state dict with its metadata, read without executing anything."""

from __future__ import annotations

import hashlib
import pickle
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from .errors import WeightsError
from .network import Architecture, NeuralDiffusionNetwork

BUNDLED_WEIGHTS = Path(__file__).parent / "weights" / "neural_diffusion.pt"
_FORMAT = 2


@dataclass(frozen=True)
class LoadedWeights:
    """A network ready for use, the metadata of its file (how it was trained) and the file's SHA-256."""

    network: NeuralDiffusionNetwork
    metadata: dict[str, str]
    sha256: str


def save_weights(path: Path, network: NeuralDiffusionNetwork, metadata: dict[str, str]) -> None:
    """Write the network's weights and how they were made.

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
    torch.save(content, path)


def load_weights(path: Path = BUNDLED_WEIGHTS) -> LoadedWeights:
    """Read a file written by `save_weights`.

    Raises
    ------
    WeightsError
        If the file is missing, damaged or made for another network.
    """
    try:
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise WeightsError(f"Weights '{path}' cannot be read ({error.strerror}): reinstall the extension.") from error
    except (RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise WeightsError(f"Weights '{path}' are damaged: reinstall the extension or export them again.") from error
    try:
        if content["format"] != _FORMAT:
            raise KeyError("format")
        network = NeuralDiffusionNetwork(Architecture(**content["architecture"]))
        network.load_state_dict(content["state_dict"])
        metadata = dict(content["metadata"])
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError) as error:
        raise WeightsError(
            f"Weights '{path}' were made for another network: use a file exported by this version."
        ) from error
    return LoadedWeights(network.eval(), metadata, sha256)
