"""What a training run does: read from a YAML file, with the command line on top, checked once before any work."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..files.command_error import CommandError
from .limits import LARGEST_EPOCHS, LARGEST_RATE, LARGEST_SEED

CONFIGS = Path(__file__).parent / "configs"

Share = Annotated[float, Field(ge=0, le=1)]
Whole = Annotated[int, Field(strict=True)]
"""A whole number: "true" is none."""


class Part(BaseModel):
    """A group of options; unknown names, and numbers that are not finite, are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class SamplingConfig(Part):
    """How samples are drawn.

    `setting_weights` are the shares of samples for which the network is told gaussian, rician, speckle, or nothing
    ("mixed"). `benchmark_share` have a noise level from the benchmark's U[0.05, 0.20], `clean_share` of all have none,
    the others cover [0, max_sigma] with more weight near 0, where clinical scans lie. `native_share` are cropped from
    a version of the slice with finer pixels, `dim_share` scaled down in intensity as in a slice far from the brightest
    tissue, `masked_share` have air of exactly 0, as after skull stripping. For `given_sigma_share` of them the network
    is given the true noise level, else its own estimate. `crop` is the side of a sample in pixels; with `orientations`
    it is flipped and turned at random, into one of eight.
    `iterations` and `neighbours` are fixed where given, else drawn for each batch: `usual_iterations_share` of the
    batches have 16 iterations, the others 1 to 64, and `eight_neighbours_share` have 8 neighbours, the others 4.
    """

    setting_weights: tuple[Share, Share, Share, Share] = (0.18, 0.52, 0.15, 0.15)
    benchmark_share: Share = 0.6
    clean_share: Share = 0.05
    max_sigma: float = Field(0.25, gt=0, le=1)
    native_share: Share = 0.35
    dim_share: Share = 0.15
    masked_share: Share = 0.04
    given_sigma_share: Share = 0.25
    orientations: bool = True
    crop: Whole = Field(64, ge=16, le=128, multiple_of=8)
    iterations: Whole | None = Field(None, ge=1, le=64)
    neighbours: Literal[4, 8] | None = None
    usual_iterations_share: Share = 0.4
    eight_neighbours_share: Share = 0.65

    @model_validator(mode="after")
    def _weights_sum_to_one(self) -> SamplingConfig:
        if abs(sum(self.setting_weights) - 1) > 1e-6:
            raise ValueError("the four setting_weights must sum to 1")
        return self


class LossConfig(Part):
    """Weights of the loss.

    `diffused` is the weight of the same loss of the slice before refinement. With `relative` the loss of a sample is
    divided by its noise level, since the figure of merit is a mean of decibels. `psnr` is the weight of the logarithm
    of the mean squared error.
    """

    ssim: float = Field(1.0, ge=0)
    l1: float = Field(1.0, ge=0)
    gradient: float = Field(0.1, ge=0)
    diffused: float = Field(2.0, ge=0)
    relative: bool = True
    psnr: float = Field(0.6, ge=0)


class OptimiserConfig(Part):
    """Optimiser and schedule: warm-up, then a cosine down to `final_rate`; `average` is the decay of the weight mean.

    "muon" orthogonalises the momentum of convolution kernels (K. Jordan et al., Muon, 2024, with the step length of
    J. Liu et al., arXiv:2502.16982), at `kernel_rate`, and treats the other parameters with AdamW, at
    `learning_rate`; so it does kernels with 4 outputs or fewer and those of the noise-level estimator. "adamw" and
    "adam" treat all parameters at `learning_rate` and have no use for `kernel_rate`. `guidance_rate`, which "muon"
    does not take, is that of the guidance network there, `learning_rate` if left out. `weight_decay` is added to the
    gradient by "adam" and shrinks the weights themselves with the others. `warm_up` is in steps, of which it is a tenth
    of the run at most; rates below `final_rate` stay as they are after it. `clip` is the largest norm of the gradient.
    """

    name: Literal["muon", "adamw", "adam"] = "muon"
    learning_rate: float = Field(2e-3, gt=0, le=LARGEST_RATE)
    kernel_rate: float = Field(6e-3, gt=0, le=LARGEST_RATE)
    guidance_rate: float | None = Field(None, gt=0, le=LARGEST_RATE)
    final_rate: float = Field(1e-5, ge=0, le=LARGEST_RATE)
    warm_up: Whole = Field(100, ge=0)
    weight_decay: float = Field(1e-4, ge=0)
    clip: float = Field(1.0, gt=0)
    average: float = Field(0.99, ge=0, lt=1)

    @model_validator(mode="after")
    def _guidance_rate_reaches_the_guidance(self) -> OptimiserConfig:
        if self.name == "muon" and self.guidance_rate is not None:
            raise ValueError("guidance_rate reaches no convolution kernel under muon, so choose adamw or adam for it")
        return self


class TrainingConfig(Part):
    """One run.

    `epochs` are passes over the training part of `split`, or over its first `limit` slices unless that is 0.
    `batch_size` is the number of samples in a step, over all devices and machines; `validate_every` the number of
    epochs from one validation to the next. `precision` is that of the convolutions: "fast" is bfloat16 where the device
    has instructions for it, else float32.
    """

    network: str = "neural-diffusion"
    split: str = "original"
    epochs: Whole = Field(130, ge=1, le=LARGEST_EPOCHS)
    batch_size: Whole = Field(16, ge=1)
    seed: Whole = Field(0, ge=0, le=LARGEST_SEED)
    precision: Literal["fast", "bf16-mixed", "32-true"] = "fast"
    limit: Whole = Field(0, ge=0)
    validate_every: Whole = Field(5, ge=1)
    sampling: SamplingConfig = SamplingConfig()
    loss: LossConfig = LossConfig()
    optimiser: OptimiserConfig = OptimiserConfig()


def read_config(path: Path | None, overrides: Mapping[str, Any]) -> TrainingConfig:
    """Read a configuration.

    Parameters
    ----------
    path
        YAML file; ``None`` takes the defaults.
    overrides
        Values that win over the file, by dotted name, for instance ``{"optimiser.learning_rate": 1e-3}``.

    Raises
    ------
    CommandError
        If the file cannot be read or an option is unknown or impossible.
    """
    content: Any = {}
    if path is not None:
        try:
            content = _from_yaml(path.read_text(encoding="utf-8")) or {}
        except OSError as error:
            raise CommandError(
                f"Configuration '{path}' cannot be read ({error.strerror}): name a YAML file, or one of the bundled "
                f"{', '.join(sorted(one.stem for one in CONFIGS.glob('*.yaml')))}."
            ) from error
        except ValueError as error:
            raise CommandError(f"Configuration '{path}' is not YAML: {error}.") from error
        if not isinstance(content, dict):
            raise CommandError(f"Configuration '{path}' holds no options: write 'name: value' on each line.")
    for name, value in overrides.items():
        _put(content, name, value)
    try:
        return TrainingConfig.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        about = f"Option '{name}'" + (f" of '{path}'" if path is not None and name not in overrides else "")
        if first["type"] == "extra_forbidden":
            raise CommandError(f"{about} does not exist: choose one of those of the bundled configurations.") from error
        said = first["msg"].removeprefix("Value error, ")
        said = said[0].lower() + said[1:]
        raise CommandError(f"{about} is not possible: {said} (given: {first['input']!r}).") from error


def bundled_config(name: str | None) -> Path | None:
    """Path of a configuration, given as the name of a bundled one or as the path of a file."""
    if name is None:
        return None
    bundled = CONFIGS / f"{name}.yaml"
    return bundled if bundled.is_file() else Path(name)


def parse_settings(settings: list[str]) -> dict[str, Any]:
    """``["loss.psnr=0.2"]`` as ``{"loss.psnr": 0.2}``; values are read as YAML.

    Raises
    ------
    CommandError
        If one has no "=", or a value that is not YAML.
    """
    parsed = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise CommandError(f"Setting '{setting}' has no value: write it as name=value, for instance loss.psnr=0.2.")
        try:
            parsed[name.strip()] = _from_yaml(value)
        except ValueError as error:
            raise CommandError(f"Setting '{setting}' is not YAML: {error}.") from error
    return parsed


def _from_yaml(text: str) -> Any:
    """Read YAML; ValueError, in one line, if it is none, holds an impossible value, or is nested too deeply."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _put(content: dict[str, Any], name: str, value: Any) -> None:
    *parents, last = name.split(".")
    for parent in parents:
        inner = content.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise CommandError(f"Option '{name}' is not possible: '{parent}' is a single value.")
        content = inner
    content[last] = value
