"""Downstream segmentation: masks found and checked, overlap as defined, and what denoising does for it."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from batch_runs import run_here
from PIL import Image

from NeuralDiffusionLib import Denoiser, DenoiseSettings
from NeuralDiffusionTraining.benchmark.checks.segmentation import (
    CLEAN,
    Overlap,
    compare,
    segment,
    summarise,
    train_segmenter,
)
from NeuralDiffusionTraining.benchmark.evaluation import noisy_input
from NeuralDiffusionTraining.benchmark.learned import ours
from NeuralDiffusionTraining.benchmark.methods import Method
from NeuralDiffusionTraining.data.masks import load_masks, pair_masks
from NeuralDiffusionTraining.data.splits import Split, write_splits
from NeuralDiffusionTraining.files.command_error import CommandError

SIZE = 96


def head_with_lesion(seed: int, size: int = SIZE, lesion: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """A head of two tissues with, or without, a lesion somewhat brighter than both; and the lesion's mask."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size] / size - 0.5
    picture = 0.35 * (np.hypot(rows / 1.1, columns) < 0.4)
    picture = picture + 0.15 * (np.hypot(rows + 0.1, columns - 0.05) < 0.15 + 0.05 * random.random())
    row, column = random.uniform(-0.18, 0.18, 2)
    mask = (np.hypot(rows - row, columns - column) < random.uniform(0.05, 0.09)) & lesion
    return np.where(mask, 0.75, picture).astype(np.float32), mask


def write_pair(data: Path, masks: Path, name: str, seed: int, lesion: bool = True) -> None:
    for folder in (data, masks):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    picture, mask = head_with_lesion(seed, lesion=lesion)
    Image.fromarray((255 * picture).astype(np.uint8)).save(data / f"{name}.png")
    Image.fromarray(mask.astype(np.uint8)).save(masks / f"{name}.png")


@pytest.fixture(scope="module")
def table() -> dict[str, dict]:
    """Heads 0-7 to train on; 8-13, two of them without a lesion, to test: the rows by the name of the method."""
    pairs = [head_with_lesion(seed, lesion=seed < 12) for seed in range(14)]
    clean, lesions = (np.stack(one) for one in zip(*pairs, strict=True))
    forest = train_segmenter(clean[:8], lesions[:8])
    blank = Method("Blank", "peer", "none", lambda noisy, _: np.zeros_like(noisy))
    methods = [noisy_input(), *ours(Denoiser("cpu"), DenoiseSettings(), (8,)), blank]
    rows = summarise(compare(methods, forest, clean[8:], lesions[8:], sigma=0.15))
    return {row["method"]: row for row in rows}


def test_denoising_makes_lesions_easier_to_find(table):
    noisy, refined, diffused = (
        table[name]["dice"]["mean"]
        for name in (
            "Noisy input",
            "Neural Diffusion, 8 neighbours",
            "Neural Diffusion, 8 neighbours, no refinement",
        )
    )
    assert table[CLEAN]["dice"]["mean"] > 0.9
    assert refined > noisy + 0.05
    assert diffused > noisy + 0.05
    for row in table.values():
        assert row["iou"]["mean"] <= row["dice"]["mean"]


def test_missed_lesions_count_as_zero_and_slices_without_one_are_counted_apart(table):
    assert table["Blank"]["dice"]["mean"] == 0
    assert table["Blank"]["iou"]["mean"] == 0
    assert (table[CLEAN]["lesion_slices"], table[CLEAN]["empty_slices"]) == (4, 2)
    assert table["Blank"]["false_lesion_slices"] == 0
    assert table[CLEAN]["false_lesion_slices"] == 0


def test_interval_needs_more_than_one_slice_with_a_lesion():
    row = Overlap("a", "none", np.array([0.5, np.nan, np.nan]), np.array([0.4, np.nan, np.nan]), np.zeros(3, bool))
    dice = summarise([row])[0]["dice"]
    assert dice["mean"] == 0.5
    assert np.isnan(dice["low"])


def test_near_duplicates_do_not_narrow_the_interval():
    def summary(copies):
        # The slice without a lesion comes first: the others keep their own groups.
        dice = np.repeat([np.nan, 0.2, 0.5, 0.6, 0.9], copies)
        (row,) = summarise([Overlap("a", "none", dice, dice / 2, np.isnan(dice))], np.repeat(range(5), copies))
        return row

    for figure in ("dice", "iou"):
        assert summary(9)[figure] == pytest.approx(summary(1)[figure])


def test_overlap_is_dice_and_iou_as_everybody_defines_them():
    # The forest finds what is bright; the mask is the same square moved by half its width.
    picture = np.zeros((1, 32, 32), np.float32)
    picture[0, 8:24, 8:24] = 1
    found = picture > 0
    forest = train_segmenter(picture, found)
    np.testing.assert_array_equal(segment(forest, picture), found)
    moved = np.roll(found, 8, axis=2)
    row = summarise(compare([], forest, picture, moved, sigma=0))[0]
    assert row["dice"]["mean"] == pytest.approx(1 / 2)
    assert row["iou"]["mean"] == pytest.approx(1 / 3)


def test_masks_without_any_lesion_cannot_train():
    clean, _ = head_with_lesion(0)
    with pytest.raises(CommandError, match="no lesion pixels"):
        train_segmenter(clean[None], np.zeros((1, SIZE, SIZE), bool))


def test_masks_are_found_by_name_whatever_their_format(tmp_path):
    data, masks = tmp_path / "data", tmp_path / "masks"
    for name in ("yes/a", "yes/b", "yes/c", "yes/label 4", "no/d"):
        write_pair(data, masks, name, 3)
    _, mask = head_with_lesion(3)
    (masks / "no" / "d.png").unlink()
    # JPEG has ripples, an ITK file another reader, and both must give the same mask.
    Image.fromarray(mask.astype(np.uint8) * 255).save(masks / "yes" / "b.jpg", quality=60)
    (masks / "yes" / "b.png").unlink()
    sitk.WriteImage(sitk.GetImageFromArray(7 * mask.astype(np.int16)), str(masks / "yes" / "c.nrrd"))
    (masks / "yes" / "c.png").unlink()
    # A label map by its name and by its header, as programs for segmentation write it.
    nifti = nib.Nifti1Image(mask.T[..., None].astype(np.uint8), np.eye(4))
    nifti.header.set_intent("label")
    nib.save(nifti, masks / "yes" / "label 4.nii.gz")
    (masks / "yes" / "label 4.png").unlink()
    paired, without = pair_masks(data, masks)
    assert without == 1
    assert list(paired) == ["yes/a.png", "yes/b.png", "yes/c.png", "yes/label 4.png"]
    loaded = load_masks(data, paired, list(paired), SIZE)
    for one in loaded:
        np.testing.assert_array_equal(one, mask)


def test_a_pixel_that_is_half_lesion_is_one(tmp_path):
    for folder in ("data", "masks"):
        (tmp_path / folder).mkdir()
    Image.new("L", (8, 8)).save(tmp_path / "data" / "a.png")
    # Four pixels become one: none, one, two and all of them are lesion.
    mask = np.kron(np.ones((4, 1)), [[0, 0, 1, 0, 1, 0, 1, 1], [0, 0, 0, 0, 0, 1, 1, 1]])
    Image.fromarray(mask.astype(np.uint8)).save(tmp_path / "masks" / "a.png")
    loaded = load_masks(tmp_path / "data", {"a.png": tmp_path / "masks" / "a.png"}, ["a.png"], 4)
    assert loaded[0].tolist() == 4 * [[False, False, True, True]]


def test_what_is_wrong_with_masks_is_said_in_a_sentence(tmp_path):
    data, masks = tmp_path / "data", tmp_path / "masks"
    masks.mkdir()
    with pytest.raises(CommandError, match=r"data' does not exist"):
        pair_masks(data, masks)
    write_pair(data, tmp_path / "other", "a", 0)
    with pytest.raises(CommandError, match="holds no masks"):
        pair_masks(data, masks)
    Image.new("L", (SIZE, SIZE // 2), 1).save(masks / "a.png")
    with pytest.raises(CommandError, match=f"has {SIZE} x {SIZE // 2} pixels, its picture 'a.png' has {SIZE} x {SIZE}"):
        load_masks(data, pair_masks(data, masks)[0], ["a.png"])
    (masks / "a.png").write_bytes(b"not a picture")
    with pytest.raises(CommandError, match=r"a\.png' cannot be read"):
        load_masks(data, pair_masks(data, masks)[0], ["a.png"])
    Image.new("L", (SIZE, SIZE)).save(masks / "stray.png")
    with pytest.raises(CommandError, match=r"stray\.png' belongs to no picture"):
        pair_masks(data, masks)


def test_command_writes_the_table(tmp_path, monkeypatch):
    # A table that is wider than the terminal is cut.
    monkeypatch.setenv("COLUMNS", "200")
    for seed in range(6):
        write_pair(tmp_path / "data", tmp_path / "masks", f"yes/{seed}", seed)
    arguments = ("--data", tmp_path / "data", "--masks", tmp_path / "masks", "--iterations", 2, "--device", "cpu")
    done = run_here("segmentation", *arguments, "--json", tmp_path / "t.json", "--markdown", tmp_path / "t.md")
    assert done.status == 0, done.err
    content = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))
    assert content["kind"] == "segmentation"
    assert (content["training_slices"], content["test_slices"]) == (4, 2)
    methods = [row["method"] for row in content["rows"]]
    assert methods[:2] == [CLEAN, "Noisy input"]
    assert "Clean slices" in done.out
    for method in methods:
        assert f"| {method} |" in (tmp_path / "t.md").read_text(encoding="utf-8")


def test_command_tests_on_the_test_part_of_the_split_with_its_groups(tmp_path):
    names = [f"yes/{seed}.png" for seed in range(9)]
    for seed in range(9):
        write_pair(tmp_path / "data", tmp_path / "masks", f"yes/{seed}", seed, lesion=seed != 8)
    split = Split("grouped", (*names[:3],), (names[3], names[4]), (*names[5:],), dict.fromkeys(names, 0))
    write_splits([split], tmp_path)
    arguments = ("--data", tmp_path / "data", "--masks", tmp_path / "masks", "--split", tmp_path / "grouped.json")
    options = ("--methods", "input", "--device", "cpu", "--json", tmp_path / "t.json")
    done = run_here("segmentation", *arguments, *options)
    assert done.status == 0, done.err
    content = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))
    assert (content["training_slices"], content["test_slices"]) == (3, 4)
    # No title may take it for the split of that name which comes with the package.
    assert content["split"] == "own grouped"
    clean = content["rows"][0]
    assert (clean["lesion_slices"], clean["empty_slices"]) == (3, 1)
    # All are near-duplicates, so that nothing is known of how they scatter.
    assert clean["dice"]["low"] is None


def test_a_folder_of_masks_inside_the_data_holds_no_slices(tmp_path):
    data = tmp_path / "data"
    for name in ("yes/a", "yes/b", "no/c"):
        write_pair(data, data / "masks", name, 0)
    (data / "masks" / "no" / "c.png").unlink()
    paired, without = pair_masks(data, data / "masks")
    assert (list(paired), without) == (["yes/a.png", "yes/b.png"], 1)


def test_a_mask_that_two_pictures_could_have_is_refused(tmp_path):
    write_pair(tmp_path / "data", tmp_path / "masks", "a0", 0)
    write_pair(tmp_path / "data", tmp_path / "masks", "b0", 0)
    for name in ("a0", "c0", "d0"):
        Image.new("L", (SIZE, SIZE)).save(tmp_path / "data" / f"{name}.tif")
    with pytest.raises(CommandError, match=r"a0\.png' may be of picture 'a0\.png' or 'a0\.tif': rename one of them\."):
        pair_masks(tmp_path / "data", tmp_path / "masks")
    (tmp_path / "masks" / "a0.png").unlink()
    assert pair_masks(tmp_path / "data", tmp_path / "masks")[1] == 4


def test_pictures_are_not_their_own_masks(tmp_path):
    write_pair(tmp_path / "data", tmp_path / "masks", "a", 0)
    (tmp_path / "link").symlink_to(tmp_path / "data")
    for masks in ("data", "link"):
        with pytest.raises(CommandError, match="is given for pictures and masks"):
            pair_masks(tmp_path / "data", tmp_path / masks)
