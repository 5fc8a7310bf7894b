"""Splits: what near-duplicates are, that they stay together, and that the committed files are what they say."""

from __future__ import annotations

import io
import json
import os
import struct
import sys
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from batch_runs import run_here
from PIL import Image
from skimage.filters import gaussian

from NeuralDiffusionTraining.data.near_duplicates import near_duplicate_groups
from NeuralDiffusionTraining.data.slices import list_slices
from NeuralDiffusionTraining.data.splits import (
    PARTS,
    grouped_split,
    load_split,
    original_split,
    read_split,
    write_splits,
)
from NeuralDiffusionTraining.files.command_error import CommandError


def head(seed: int) -> Image.Image:
    """A picture with a head of its own shape and texture, not symmetric, in the middle of black."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[-1:1:240j, -1:1:240j]
    a, b = generator.uniform(0.6, 0.85, 2)
    texture = gaussian(generator.normal(size=(240, 240)), 8)
    inside = np.hypot(rows / a, columns / b) < 1
    picture = inside * (110 + 60 * texture / texture.std())
    return Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))


def slices(*pictures: Image.Image) -> np.ndarray:
    return np.stack([np.asarray(one.resize((128, 128), Image.Resampling.BILINEAR)) for one in pictures])


def encoded(picture: Image.Image, quality: int) -> Image.Image:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return Image.open(stream)


def margins(picture: Image.Image, width: int) -> Image.Image:
    wide = Image.new("L", (picture.width + 2 * width, picture.height + width))
    wide.paste(picture, (width, 0))
    return wide


@pytest.mark.parametrize(
    "copy",
    [
        lambda one: one.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        lambda one: one.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        lambda one: margins(one.transpose(Image.Transpose.ROTATE_180), 40),
        lambda one: one.point(lambda level: 255 * (level / 255) ** 1.5),
        lambda one: one.resize((90, 90), Image.Resampling.BILINEAR),
        lambda one: one.resize((300, 200), Image.Resampling.BICUBIC),
        lambda one: encoded(one, 30),
        lambda one: margins(one, 60),
        lambda one: margins(one.transpose(Image.Transpose.FLIP_LEFT_RIGHT), 40),
        lambda one: one.crop((20, 20, 220, 220)).resize((180, 150), Image.Resampling.BILINEAR),
    ],
    ids=[
        "mirrored",
        "upside down",
        "half a turn with margins",
        "darker",
        "smaller",
        "squeezed",
        "re-encoded",
        "margins",
        "mirrored with margins",
        "zoomed",
    ],
)
def test_a_copy_is_recognised(copy):
    original, other = head(1), head(2)
    groups = near_duplicate_groups(slices(original, other, copy(original)))
    assert groups[0] == groups[2]
    assert groups[0] != groups[1]


def test_different_heads_and_constant_pictures_stand_alone():
    pictures = [head(seed) for seed in range(12)]
    blank = Image.new("L", (128, 128), 40)
    assert len(set(near_duplicate_groups(slices(*pictures, blank, blank)))) == 14


def test_copies_of_copies_belong_together():
    first = head(3)
    second = encoded(first.resize((110, 110), Image.Resampling.BILINEAR), 40)
    third = margins(second.transpose(Image.Transpose.FLIP_LEFT_RIGHT), 15)
    assert len(set(near_duplicate_groups(slices(first, second, third)))) == 1


def many_names(count: int = 300) -> tuple[list[str], dict[str, int]]:
    """Names of two classes and groups of very different sizes, none across the classes."""
    generator = np.random.default_rng(0)
    names = [f"{label}/{number}.jpg" for label in ("no", "yes") for number in range(count)]
    borders = np.cumsum(generator.geometric(0.15, 2 * count))
    return names, {
        name: int(np.searchsorted(borders, number % count)) * 2 + number // count for number, name in enumerate(names)
    }


def test_grouped_split_keeps_groups_whole_and_proportions_and_strata():
    names, groups = many_names()
    split = grouped_split(names, groups)
    parts = {part: set(split.part(part)) for part in PARTS}
    assert set.union(*parts.values()) == set(names)
    assert sum(map(len, parts.values())) == len(names)
    for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        assert not {groups[name] for name in parts[one]} & {groups[name] for name in parts[other]}
    for part, share in zip(PARTS, (0.7, 0.15, 0.15), strict=True):
        for label in ("no/", "yes/"):
            count = sum(name.startswith(label) for name in parts[part])
            assert count == pytest.approx(share * 300, abs=3)
    assert split.leak == 0
    largest = {part: max(Counter(groups[name] for name in parts[part]).values()) for part in PARTS}
    assert min(largest.values()) > 5, "the small parts have small groups only"


def test_a_picture_that_lies_in_both_classes_stays_on_one_side():
    names = [f"{label}/{number}.jpg" for label in ("no", "yes") for number in range(12)]
    split = grouped_split(names, {name: number % 12 for number, name in enumerate(names)})
    assert split.leak == 0
    assert sorted(split.train + split.validation + split.test) == sorted(names)
    for part in PARTS:
        pictures = Counter(name.split("/")[1] for name in split.part(part))
        assert set(pictures.values()) == {2}


def test_a_class_that_has_pictures_of_its_own_for_one_part_only_is_refused():
    names = [*(f"no/{number}.jpg" for number in range(40)), *(f"yes/{number}.jpg" for number in range(3))]
    groups = {name: number for number, name in enumerate(names[:40])}
    training = [name for name in grouped_split(names[:40], groups).train if name.startswith("no/")]
    groups |= {name: groups[one] for name, one in zip(names[40:], training, strict=False)}
    with pytest.raises(CommandError, match=r"Class 'yes' has too few pictures that are not alike \(3 kinds\)"):
        grouped_split(names, groups)


def test_splits_are_the_same_every_time():
    names, groups = many_names()
    assert grouped_split(names, groups) == grouped_split(names, groups)
    assert original_split(names, groups) == original_split(names, groups)


def test_leak_is_the_share_of_test_slices_with_a_relative_in_training():
    names, _ = many_names()
    alone = {name: number for number, name in enumerate(names)}
    split = original_split(names, alone)
    assert split.leak == 0
    alone[split.test[0]] = alone[split.train[0]]
    assert original_split(names, alone).leak == pytest.approx(1 / len(split.test))


@pytest.mark.parametrize(
    ("name", "sha256"),
    [
        ("original", "fdd88d2913cbf91ecd7041b39ae60cae03dc8d3c7e9d3d754e69dae8ad583218"),
        ("grouped", "6962487f12f4bd9cf60e7aadb51685ff94edfa9531809ab78ba861535e6019f4"),
    ],
)
def test_committed_splits_are_pinned(name, sha256):
    split = read_split(Path(__file__).parents[1] / "NeuralDiffusionTraining" / "data" / "splits" / f"{name}.json")
    assert split.sha256 == sha256
    assert [len(split.part(part)) for part in PARTS] == [2100, 450, 450]
    assert [sum(one.startswith("yes/") for one in split.part(part)) for part in PARTS] == [1050, 225, 225]
    assert len({*split.train, *split.validation, *split.test}) == 3000
    assert len(set(split.groups.values())) == 322
    assert max(Counter(split.groups.values()).values()) == 77
    assert split.leak == pytest.approx(0 if name == "grouped" else 0.95, abs=0.005)


def test_the_committed_original_split_is_what_the_original_procedure_gives():
    folder = Path(__file__).parents[1] / "NeuralDiffusionTraining" / "data" / "splits"
    committed = read_split(folder / "original.json")
    names = {*committed.train, *committed.validation, *committed.test}

    def place(name: str) -> tuple[str, int]:
        label, file = name.split("/")
        return label, int("".join(filter(str.isdigit, file)))

    again = original_split(sorted(names, key=place), committed.groups)
    assert (again.train, again.validation, again.test) == (committed.train, committed.validation, committed.test)


@pytest.fixture
def folder(tmp_path) -> Path:
    for label in ("no", "yes"):
        (tmp_path / label).mkdir()
        for number in range(8):
            head(number + 100 * (label == "yes")).save(tmp_path / label / f"{label}{number}.jpg", quality=95)
    return tmp_path


def written(folder: Path) -> Path:
    names = list_slices(folder)
    write_splits([original_split(names, {name: number for number, name in enumerate(names)})], folder)
    return folder / "original.json"


def test_a_split_survives_being_written_and_read(folder):
    path = written(folder)
    names = list_slices(folder)
    split = load_split(str(path), folder)
    assert (split.train, split.test) == ((again := original_split(names, split.groups)).train, again.test)
    assert len(set(split.groups.values())) == len(names)


def test_a_split_of_other_slices_does_not_pass_for_that_of_the_benchmark(folder):
    assert load_split(str(written(folder)), folder).name == "own original"


def test_a_split_of_other_slices_is_refused_with_the_way_out(folder):
    with pytest.raises(CommandError, match=r"lacks \d+ slices .*data check .*--splits"):
        load_split("original", folder)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda content: content["train"].append(content["test"].pop()), "was changed"),
        (lambda content: content.pop("train"), "is not a split file"),
        (lambda content: content.update(near_duplicates=7), "is not a split file"),
    ],
)
def test_a_spoilt_split_file_is_refused(folder, spoil, words):
    path = written(folder)
    content = json.loads(path.read_text())
    spoil(content)
    path.write_text(json.dumps(content))
    with pytest.raises(CommandError, match=words):
        load_split(str(path), folder)


@pytest.mark.parametrize("text", ["no JSON", "[" * 100_000], ids=["no JSON", "nested deeply"])
def test_what_is_no_split_file_is_refused(folder, text):
    path = folder / "own.json"
    path.write_text(text)
    with pytest.raises(CommandError, match="is not a split file"):
        load_split(str(path), folder)


def test_data_check_names_what_is_wrong_and_writes_splits_without_it(folder, monkeypatch):
    # Lines that are wider than the terminal are cut.
    monkeypatch.setenv("COLUMNS", "200")
    (folder / "no" / "no3.jpg").write_bytes(b"no picture")
    (folder / "yes" / "yes4.jpg").write_bytes((folder / "yes" / "yes4.jpg").read_bytes()[:900])
    Image.new("RGB", (50, 40), (200, 30, 30)).save(folder / "no" / "no8.jpg")
    head(1).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "no" / "no9.png")
    head(50).save(folder / "no" / "no10.jpg", "PNG")
    Image.fromarray(np.full((40, 40), 3000, np.uint16)).save(folder / "no" / "no11.png")
    # Promises 60,000 x 60,000 pixels, which would fill the memory.
    size = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    header = struct.pack(">I", 13) + size + struct.pack(">I", zlib.crc32(size))
    (folder / "no" / "no12.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header)
    done = run_here("data", "check", folder, "--splits", folder / "[old]", "--json", folder / "found.json")
    assert done.status == 0, done.err
    found = json.loads((folder / "found.json").read_text())
    assert found["unreadable"] == ["no/no3.jpg", "no/no11.png", "no/no12.png", "yes/yes4.jpg"]
    assert found["coloured"] == ["no/no8.jpg"]
    assert found["misnamed"] == ["no/no10.jpg"]
    assert found["counts"] == {"no": 10, "yes": 7}
    assert (found["groups"], found["largest_group"]) == (16, 2)
    for words in ("no/no3.jpg", "no/no8.jpg", "16 groups", "[old]/grouped.json"):
        assert words in done.out
    split = load_split(str(folder / "[old]" / "grouped.json"), folder)
    assert {*split.train, *split.validation, *split.test} == set(list_slices(folder)) - set(found["unreadable"])
    assert split.groups["no/no1.jpg"] == split.groups["no/no9.png"]
    assert split.sha256 == found["splits"]["grouped"]["sha256"]


@pytest.mark.skipif(sys.platform != "linux", reason="Other systems have no names that are no text.")
def test_a_picture_whose_name_is_no_text_is_split_like_any_other(folder):
    old = (folder / "no" / "no3.jpg").rename(folder / "no" / os.fsdecode(b"caf\xe9.jpg"))
    done = run_here("data", "check", folder, "--splits", folder / "splits")
    assert done.status == 0, done.err
    split = load_split(str(folder / "splits" / "original.json"), folder)
    assert f"no/{old.name}" in {*split.train, *split.validation, *split.test}


def test_data_check_of_too_few_slices_says_so_and_writes_nothing(folder):
    for file in [*(folder / "yes").iterdir()][1:]:
        file.unlink()
    refusal = run_here("data", "check", folder, "--splits", folder / "splits")
    assert refusal.status == 2
    assert "cannot be split" in refusal.err
    assert not (folder / "splits").exists()
    looked = run_here("data", "check", folder)
    assert looked.status == 0
    assert "No splits" in looked.out


def test_data_check_without_a_class_is_refused(folder):
    for file in (folder / "yes").iterdir():
        file.unlink()
    refusal = run_here("data", "check", folder)
    assert refusal.status == 2
    assert "no pictures in 'yes'" in refusal.err
