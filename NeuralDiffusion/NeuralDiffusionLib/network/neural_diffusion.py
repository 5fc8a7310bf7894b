"""The whole network: noise level, guidance, diffusion, bias inversion, refinement."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .conduction import ConductionNetwork, GuidanceProjection
from .diffusion import conduction_map, diffuse
from .guidance import WIDTHS, MiniUNet
from .neighbourhood import directions, largest_step
from .noise_floor import NoiseFloorShrinkage, share_with_floor
from .noise_level import NoiseLevelEstimator, noise_of
from .noise_model import BiasInversion
from .padding import pad_to_multiple
from .refinement import Refinement

STEPS_PER_STAGE = 4
STAGES = 5
"""Four stages of four steps each, then one for all later steps."""

_TRAINED_STEPS = STEPS_PER_STAGE * (STAGES - 1)
_MULTIPLE = 8
_STEP_SHARE = 0.4
"""Largest step as a share of the stability bound. At the full bound four steps do all the work and the gates of the
others stay shut: the iteration count would mean little and the conduction map would be flat."""

_ONSET_SIGMA = 0.03
"""Noise level at which half of the correction sets in. Below 0.01 fine anatomy cannot be told from noise any more."""


@dataclass(frozen=True)
class Architecture:
    """What may differ between two files of weights.

    Parameters
    ----------
    reach
        Distance of the neighbours in each stage, in pixels: the diffusion works on the coarse scale first.
    dropout
        Probability with which a channel of the coarse guidance is left out in training, 0 to less than 1. Above 0
        the weights can tell how uncertain they are (`uncertainty.py`).

    Raises
    ------
    ValueError
        If a value is outside what is listed above.
    """

    reach: tuple[int, ...] = (4, 2, 1, 1, 1)
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if len(self.reach) != STAGES or min(self.reach) < 1:
            raise ValueError(f"Reach {self.reach!r} is not possible: give {STAGES} distances of 1 pixel or more.")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"Dropout {self.dropout!r} is not possible: give a probability from 0 to less than 1.")


@dataclass(frozen=True)
class DiffusionStage:
    """Steps that share their gates.

    `state` is the slice after them, (batch, 1, rows, columns); `gates` are those of every edge, (batch, 2 or 4, rows,
    columns), in [0, 1], each to the neighbour at a distance of `reach` pixels; `steps` is their number.
    """

    state: Tensor
    gates: Tensor
    steps: int
    reach: int

    @property
    def conduction(self) -> Tensor:
        """Mean gate over directions during these steps, (batch, 1, rows, columns); a picture, without gradient."""
        return conduction_map(self.gates.detach(), self.reach)


@dataclass(frozen=True)
class NetworkOutput:
    """What one pass gives; images are (batch, 1, rows, columns), float32.

    `image` is the result, `diffused` the same without refinement, `conduction` the mean gate over directions and
    steps in [0, 1], `sigma` (batch,) the noise level that was used.
    """

    image: Tensor
    diffused: Tensor
    conduction: Tensor
    sigma: Tensor


class NeuralDiffusionNetwork(nn.Module):
    """Learned Perona-Malik diffusion of slices.

    One set of weights serves every noise type, neighbourhood and iteration count. Gates are divided in stages: they
    are predicted anew every 4 steps up to step 16, then each time the number of steps has doubled (lagged
    diffusivity). After step 16 the steps shorten as (16 / k)^2, so that diffusion time has a limit.

    Whatever the weights: a diffusion step creates no new extrema and conserves the mean, and the whole correction
    (gates, inversion, refinement) vanishes with the noise level.
    """

    def __init__(self, architecture: Architecture | None = None) -> None:
        super().__init__()
        self.architecture = architecture or Architecture()
        width = WIDTHS[0]
        self.noise_level = NoiseLevelEstimator()
        self.guidance = MiniUNet(self.architecture.dropout)
        self.projection = GuidanceProjection(width, STAGES)
        self.conduction = nn.ModuleList([ConductionNetwork() for _ in range(STAGES)])
        # Every step begins at 0.73 of its largest size.
        self.step_logits = nn.Parameter(torch.full((_TRAINED_STEPS,), 1.0))
        self.inversion = BiasInversion()
        self.diffused_floor = NoiseFloorShrinkage(strength=0.8, reach=0.7)
        self.refinement = Refinement(width)
        self.refined_floor = NoiseFloorShrinkage(strength=0.3, reach=0.5)

    def forward(
        self,
        slices: Tensor,
        noise: str | Tensor = "rician",
        iterations: int = 16,
        neighbours: int = 8,
        refine: bool = True,
        sigma: Tensor | None = None,
        clipped: Tensor | None = None,
    ) -> NetworkOutput:
        """Denoise slices.

        Parameters
        ----------
        slices
            (batch, 1, rows, columns), float32, any size from 1 x 1, intensities about [0, 1].
        noise
            Noise type, or the weights of `noise_model.PURE_TYPES` as a (batch, 3) tensor.
        iterations
            Number of diffusion steps, 1 or more.
        neighbours
            4 or 8.
        refine
            Whether to add the residual refinement.
        sigma
            Noise level, (batch,), in units of the slices; ``None`` estimates it.
        clipped
            (batch,), 1 where negative values were cut off; ``None`` means all were.
        """
        batch = slices.shape[0]
        clipped = slices.new_ones(batch) if clipped is None else clipped
        padded = pad_to_multiple(slices, _MULTIPLE)
        types, sigma = noise_of(slices, self.noise_level, noise, sigma)
        features = self.guide(padded, sigma, types, neighbours)
        state, open_sum = slices, 0.0
        for stage in self._stages(slices, features, sigma, types, iterations, neighbours):
            state = stage.state
            open_sum = open_sum + stage.conduction * stage.steps
        onset = _onset(sigma)
        with_floor = onset * share_with_floor(types, clipped)
        diffused = self.diffused_floor(self.inversion(state, sigma, types, clipped), sigma, with_floor)
        image = diffused
        if refine:
            rows, columns = slices.shape[-2:]
            correction = self.refinement(pad_to_multiple(diffused, _MULTIPLE), padded, features, sigma)
            refined = diffused + onset.view(-1, 1, 1, 1) * correction[..., :rows, :columns]
            image = self.refined_floor(refined, sigma, with_floor)
        return NetworkOutput(image, diffused, open_sum / iterations, sigma)

    def stages(
        self, slices: Tensor, noise: str | Tensor, iterations: int, neighbours: int, sigma: Tensor | None = None
    ) -> Iterator[DiffusionStage]:
        """The diffusion as it unfolds, stage by stage, before inversion and refinement; arguments as in `forward`."""
        types, sigma = noise_of(slices, self.noise_level, noise, sigma)
        features = self.guide(pad_to_multiple(slices, _MULTIPLE), sigma, types, neighbours)
        yield from self._stages(slices, features, sigma, types, iterations, neighbours)

    def step_sizes(self, iterations: int, neighbours: int) -> Tensor:
        """Size of each of the steps, (iterations,); step times the sum of the neighbour weights is at most 1."""
        sizes = torch.sigmoid(self.step_logits)
        later = torch.arange(_TRAINED_STEPS + 1, max(iterations, _TRAINED_STEPS) + 1, device=sizes.device)
        sizes = torch.cat([sizes, sizes[-1] * (_TRAINED_STEPS / later) ** 2])
        return _STEP_SHARE * largest_step(neighbours) * sizes[:iterations]

    def schedule(self, iterations: int) -> Iterator[tuple[int, int, int]]:
        """Stage number, first step and end of each prediction of gates."""
        first = 0
        while first < iterations:
            last = first + STEPS_PER_STAGE if first < _TRAINED_STEPS else 2 * first
            yield min(first // STEPS_PER_STAGE, STAGES - 1), first, min(last, iterations)
            first = last

    def guide(self, padded: Tensor, sigma: Tensor, types: Tensor, neighbours: int) -> Tensor:
        """Guidance features of slices of (batch, 1, rows, columns), both counts multiples of 8: see `MiniUNet`."""
        # Levels of 0.05 to 0.25 and of 0 to 0.05 both spread over about 0 to 1.
        level = torch.stack([4 * sigma, 2 * sigma.sqrt()], dim=1)
        eight = torch.full_like(sigma, float(neighbours == 8)).unsqueeze(1)
        return self.guidance(padded, torch.cat([level, types, eight], dim=1))

    def _stages(
        self, slices: Tensor, features: Tensor, sigma: Tensor, types: Tensor, iterations: int, neighbours: int
    ) -> Iterator[DiffusionStage]:
        rows, columns = slices.shape[-2:]
        sizes = self.step_sizes(iterations, neighbours)
        level = sigma.view(-1, 1, 1, 1)
        speckle = types[:, 2].view(-1, 1, 1, 1)
        onset = _onset(level)
        state = slices
        for number, first, last in self.schedule(iterations):
            padded = pad_to_multiple(state, _MULTIPLE)
            noise = level * (1 - speckle + speckle * padded.detach().abs())
            reach = self.architecture.reach[number]
            gates = self.conduction[number](padded, self.projection.of_stage(features, number), noise, reach)
            stage = self.run_stage(state, onset * gates[..., :rows, :columns], sizes[first:last], neighbours, reach)
            yield stage
            state = stage.state

    def run_stage(self, state: Tensor, gates: Tensor, sizes: Tensor, neighbours: int, reach: int) -> DiffusionStage:
        """Take the steps of one stage; a subclass may take them in another way.

        Parameters
        ----------
        state
            What the stage before left, (batch, 1, rows, columns), float32.
        gates
            Of the edges in all directions, (batch, 4, rows, columns), in [0, 1], nearly 0 where there is hardly any
            noise. With 4 neighbours only the first two directions count.
        sizes
            Size of each step, (steps,), as from `step_sizes`.
        neighbours
            4 or 8.
        reach
            Distance of the neighbours, in pixels.

        Returns
        -------
        DiffusionStage
            The state after these steps, and the gates of the directions that count.
        """
        gates = gates[:, : directions(neighbours)]
        return DiffusionStage(diffuse(state, gates, sizes, reach), gates, len(sizes), reach)


def _onset(sigma: Tensor) -> Tensor:
    """Share of the correction that is applied at a noise level: 0 without noise, near 1 from twice the onset on."""
    power = sigma**4
    return power / (power + _ONSET_SIGMA**4)
