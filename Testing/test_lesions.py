"""The two checks of `fidelity`: lesions kept or invented, and values outside the local envelope."""

from __future__ import annotations

import json

import numpy as np
import pytest
from batch_runs import run_here
from scipy.ndimage import gaussian_filter, grey_dilation
from training_slices import make_slices

from NeuralDiffusionTraining.benchmark.checks.envelope import envelope_shares
from NeuralDiffusionTraining.benchmark.checks.fidelity import RUNS, check_fidelity
from NeuralDiffusionTraining.benchmark.checks.fidelity_tables import to_markdown
from NeuralDiffusionTraining.benchmark.checks.lesions import (
    CNRS,
    RADII,
    Lesion,
    false_lesions,
    place_lesions,
    recovered_contrast,
    with_lesions,
)
from NeuralDiffusionTraining.benchmark.head import head_mask
from NeuralDiffusionTraining.benchmark.methods import Method
from NeuralDiffusionTraining.files.result_files import write_json


@pytest.fixture(scope="module")
def clean():
    rows, columns = np.mgrid[-1:1:96j, -1:1:96j]
    radius = np.hypot(rows, columns)
    pictures = [0.4 * (radius < 0.85) - 0.2 * (radius < 0.1 + 0.1 * number) for number in range(3)]
    return np.stack(pictures).astype(np.float32)


def places(clean: np.ndarray, room: float, seed: int = 0) -> list[Lesion]:
    return place_lesions(clean, head_mask(clean), room, np.random.default_rng(seed))


def test_lesions_lie_inside_the_head_apart_and_in_range(clean):
    for seed in range(20):
        lesions = places(clean[0], 0.6, seed)
        assert sorted(lesion.radius for lesion in lesions) == list(RADII)
        changed = with_lesions(clean[0], lesions, 0.6) - clean[0]
        assert not changed[~head_mask(clean[0])].any()
        assert changed.max() == pytest.approx(0.6)
        assert (clean[0] + changed).max() <= 1
        for lesion in lesions:
            assert recovered_contrast(changed, lesion, 0.6) == pytest.approx(1)


def test_no_lesion_is_put_where_it_does_not_fit(clean):
    assert places(clean[0], 0.9) == []
    assert places(np.zeros((96, 96)), 0.1) == []
    small = np.zeros((96, 96), np.float32)
    small[40:49, 40:49] = 0.3
    assert {lesion.radius for lesion in places(small, 0.3)} <= {1, 2}
    np.testing.assert_array_equal(with_lesions(small, [], 0.3), small)


def test_lesions_are_placed_the_same_again_and_differently_elsewhere(clean):
    assert places(clean[0], 0.3, 1) == places(clean[0], 0.3, 1)
    assert places(clean[0], 0.3, 1) != places(clean[0], 0.3, 2)


@pytest.mark.parametrize("radius", RADII)
def test_contrast_that_is_left_is_measured(radius):
    lesion = Lesion(30, 28, radius)
    empty = np.zeros((64, 64), np.float32)
    full = with_lesions(empty, [lesion], 0.2)
    assert recovered_contrast(0.3 * full, lesion, 0.2) == pytest.approx(0.3)
    assert recovered_contrast(empty, lesion, 0.2) == 0
    blurred = recovered_contrast(gaussian_filter(full, 2), lesion, 0.2)
    assert 0 < blurred < 0.9
    assert blurred < recovered_contrast(gaussian_filter(full, 1), lesion, 0.2)


@pytest.mark.parametrize("radius", RADII)
@pytest.mark.parametrize("sign", [1, -1])
def test_an_invented_lesion_is_found_with_its_size_and_strength(clean, radius, sign):
    truth = np.full((96, 96), 0.5)
    invented = truth + sign * with_lesions(np.zeros_like(truth), [Lesion(50, 44, radius)], 0.2)
    strengths, radii = false_lesions(invented, truth, np.ones_like(truth, bool))
    strongest = strengths.argmax()
    assert strengths[strongest] == pytest.approx(0.2, rel=1e-6)
    assert radii[strongest] == radius
    assert np.sum(strengths > 0.15) == 1


def test_neither_what_was_there_nor_what_was_removed_is_false():
    truth = with_lesions(np.full((96, 96), 0.3), [Lesion(50, 44, 3)], 0.3)
    everywhere = np.ones_like(truth, bool)
    same, _ = false_lesions(truth, truth, everywhere)
    assert same.max(initial=0) < 1e-9
    removed, _ = false_lesions(np.full((96, 96), 0.3), truth, everywhere)
    assert removed.max(initial=0) < 1e-9


def test_only_the_head_is_searched():
    truth = np.zeros((96, 96))
    invented = with_lesions(truth, [Lesion(20, 20, 2)], 0.3)
    assert len(false_lesions(invented, truth, np.zeros_like(truth, bool))[0]) == 0


def test_share_outside_the_envelope():
    noisy = np.zeros((10, 10))
    noisy[5, 5] = 1
    picture = np.full((10, 10), 0.5)
    # Above the maximum everywhere but around the one bright pixel.
    assert envelope_shares(picture, noisy, 3) == (0.91, 0)
    assert envelope_shares(picture, noisy, 7) == (0.51, 0)
    assert envelope_shares(picture, noisy, None) == (0, 0)
    assert envelope_shares(picture - 0.7, noisy, None) == (0, 1)
    assert envelope_shares(noisy + 1e-7, noisy, None) == (0, 0)


@pytest.fixture(scope="module")
def tables(clean):
    def inventor(noisy: np.ndarray, _: np.ndarray) -> np.ndarray:
        smooth = gaussian_filter(noisy, (0, 2, 2))
        smooth[:, 20:24, 46:50] = 1.5
        return smooth

    methods = [
        Method("Identity", "input", "none", lambda noisy, _: noisy),
        Method("Blank", "peer", "none", lambda noisy, _: np.zeros_like(noisy)),
        Method("Inventor", "peer", "none", inventor),
        Method("Blur", "peer", "none", lambda noisy, _: gaussian_filter(noisy, (0, 2, 2))),
        Method("Dilation", "peer", "none", lambda noisy, _: grey_dilation(noisy, (1, 5, 5))),
    ]
    done: dict[str, int] = {}
    found = check_fidelity(methods, clean, "gaussian", 0.1, np.arange(3), lambda name, count: done.update(
        {name: done.get(name, 0) + count}))  # fmt: skip
    assert set(done.values()) == {RUNS * len(clean)}
    return found


def recovered(tables: dict, method: str, radius: int, cnr: float) -> float:
    (row,) = (
        row for row in tables["lesions"]
        if (row["method"], row["radius_px"], row["cnr"]) == (method, radius, cnr)
    )  # fmt: skip
    assert row["lesions"] == 3
    return row["recovered"]["mean"]


def false(tables: dict, method: str, cnr: float) -> float:
    rows = [row for row in tables["false_lesions"] if (row["method"], row["cnr"]) == (method, cnr)]
    assert len(rows) == len(RADII)
    return sum(row["per_slice"]["mean"] for row in rows)


def test_lesions_survive_the_identity_and_nothing_else(tables):
    for radius in RADII:
        for cnr in CNRS:
            # The noise is the same with and without the lesion; a little is lost where it reaches below 0 or above 1.
            assert 0.85 < recovered(tables, "Identity", radius, cnr) <= 1.001
            assert recovered(tables, "Blank", radius, cnr) == 0
    assert recovered(tables, "Blur", 1, 3.0) < 0.3
    assert recovered(tables, "Blur", 1, 3.0) < recovered(tables, "Blur", 4, 3.0) < 0.95


def test_false_lesions_are_counted_where_none_was(tables):
    assert false(tables, "Blank", 0.5) == 0
    assert false(tables, "Blur", 3.0) == 0
    assert false(tables, "Inventor", 3.0) >= 1
    assert false(tables, "Identity", 0.5) > false(tables, "Identity", 2.0) > false(tables, "Blur", 2.0)


def test_envelope_tells_windows_and_sides_apart(tables):
    shares = {(row["method"], row["window_px"]): row for row in tables["envelope"]}
    for window in (3, 7, None):
        assert shares["Identity", window]["outside"]["mean"] == 0
    dilation = shares["Dilation", 3]
    assert dilation["above"]["mean"] > 0.3
    assert dilation["below"]["mean"] == 0
    assert shares["Dilation", 7]["outside"]["mean"] == 0
    assert shares["Inventor", None]["above"]["mean"] > 0


def test_tables_read_the_same_from_a_file(tables, tmp_path):
    write_json(tmp_path / "checks.json", tables)
    assert to_markdown(json.loads((tmp_path / "checks.json").read_text())) == to_markdown(tables)
    assert "nan" not in to_markdown(tables)


def test_command_checks_ours_down_to_the_diffusion_alone(tmp_path):
    split = make_slices(tmp_path / "data", count=8)
    done = run_here("fidelity", "--data", tmp_path / "data", "--split", split, "--limit", 2, "--iterations", 2,
               "--device", "cpu", "--json", tmp_path / "checks.json", "--markdown", tmp_path / "checks.md")  # fmt: skip
    assert (done.status, done.err) == (0, "")
    content = json.loads((tmp_path / "checks.json").read_text(encoding="utf-8"))
    shares = {row["method"]: row["outside"]["mean"] for row in content["envelope"] if row["window_px"] is None}
    alone = [name for name in shares if "diffusion alone" in name]
    assert len(shares) == 4
    assert shares[alone[0]] == 0
    title = "rician, sigma 0.05-0.20, 2 test slices, own original split"
    assert done.out.startswith(f"{title}\n")
    assert (tmp_path / "checks.md").read_text(encoding="utf-8") == to_markdown(content, title)
    refused = run_here("fidelity", "--data", tmp_path / "data", "--split", split, "--sigma", 0)
    assert refused.status == 2
    assert refused.err == "Noise level 0 is not possible: give 0.0001 or more.\n"
