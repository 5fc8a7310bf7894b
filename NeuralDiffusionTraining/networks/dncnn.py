"""A network of the DnCNN class."""

from __future__ import annotations

from torch import Tensor, nn

from .other_networks import BlindNetwork

_DEPTH = 17
_WIDTH = 32


class DnCNN(BlindNetwork):
    """Stack of 3 x 3 convolutions at full resolution that predicts the noise (K. Zhang et al., IEEE TIP 26, 2017).

    The first layer has ReLU, those between batch normalisation and ReLU, the last neither; the prediction is
    subtracted from the slice. 17 layers see 35 x 35 pixels, as in the paper; half of its 64 channels bring the training
    within reach of a CPU: 139,809 parameters, 2.27 GMAC a slice of 128 x 128 (the paper's: 556 k, 9.1 GMAC).

    It is blind, as the paper's DnCNN-B.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(1, _WIDTH, 3, padding=1), nn.ReLU()]
        for _ in range(_DEPTH - 2):
            # The normalisation has a shift of its own, so the convolution needs none.
            layers += [nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1, bias=False), nn.BatchNorm2d(_WIDTH), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(_WIDTH, 1, 3, padding=1))
        for layer in self.layers:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    def restore(self, slices: Tensor) -> Tensor:
        return slices - self.layers(slices).float()
