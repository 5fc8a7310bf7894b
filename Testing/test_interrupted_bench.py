"""A bench that was cut off is published as such, without verdicts, and only where there is no other."""

from __future__ import annotations

import json

import pytest

from NeuralDiffusionTraining.files.command_error import CommandError
from NeuralDiffusionTraining.reporting.readme_figures import speed_tables, with_figures
from NeuralDiffusionTraining.reporting.results import read_results
from NeuralDiffusionTraining.speed.tables import summary, to_markdown

INTERRUPTED = "Interrupted: not all methods, nor all runs of them, were measured."
VERDICTS = "What was to be reached, and what was found:"


def bench(finished: bool, volume: str) -> dict:
    row = {"seconds": [6.0], "median": 6.0, "slices": 9, "voxels_per_second": 2e6, "ratio": 1.0, "peak_bytes": None,
           "psnr_db": 34.0, "psnr_head_db": 30.0, "above_ours_db": None}  # fmt: skip
    rows = [row | {"method": "Ours", "group": "ours"}, row | {"method": "Slow", "group": "classical"}]
    return {"kind": "bench", "command": "neural-diffusion bench", "finished": finished, "shape": [9, 64, 64],
            "volume": volume, "sigma": 0.09, "device": "CPU", "threads": 2, "hardware": "x86_64", "rows": rows,
            "skipped": [], "parts": {}, "machine": {}, "scaling": {}, "large": {}}  # fmt: skip


@pytest.mark.parametrize("table", [to_markdown, summary])
def test_an_interrupted_run_says_so_under_its_title_and_gives_no_verdict(table):
    title, said, *_ = table(bench(False, "head")).split("\n\n")
    assert title.startswith("64 x 64 x 9 voxels (head)")
    assert said == INTERRUPTED
    assert VERDICTS not in table(bench(False, "head"))
    whole = table(bench(True, "head"))
    assert INTERRUPTED not in whole
    assert VERDICTS in whole
    # Files of before do not say whether they are finished.
    older = bench(True, "head")
    del older["finished"]
    assert table(older) == whole


def test_a_finished_run_is_chosen_before_an_interrupted_one(tmp_path):
    for name, finished in (("bench", False), ("bench_later", True)):
        (tmp_path / f"{name}.json").write_text(json.dumps(bench(finished, name)))
    results = read_results(tmp_path)
    for name in ("rivals", "speed"):
        block = with_figures(f"<!-- figures: {name} -->\n<!-- end -->", results)
        assert "voxels (bench_later)" in block
        assert "voxels (bench)" not in block
    assert speed_tables(results).count(INTERRUPTED) == 1
    (tmp_path / "bench_later.json").unlink()
    assert INTERRUPTED in with_figures("<!-- figures: rivals -->\n<!-- end -->", read_results(tmp_path))


@pytest.mark.parametrize("shape", [[180, 256, 256], [9, 64, 64]], ids=["fewer methods", "a smaller volume"])
def test_a_quick_look_does_not_take_the_place_of_the_whole_bench(tmp_path, shape):
    whole = bench(True, "bench") | {"shape": [180, 256, 256]}
    look = bench(True, "look") | {"shape": shape}
    # The look comes first by its name, and the one of a smaller volume has more rows.
    (look if shape == whole["shape"] else whole)["rows"].pop()
    for name, content in (("a_look", look), ("bench", whole)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    for name in ("rivals", "speed"):
        assert "voxels (bench)" in with_figures(f"<!-- figures: {name} -->\n<!-- end -->", read_results(tmp_path))


def test_a_file_that_does_not_say_plainly_whether_it_is_finished_is_refused(tmp_path):
    (tmp_path / "bench.json").write_text(json.dumps(bench(True, "head") | {"finished": "no"}))
    with pytest.raises(CommandError, match="lacks a sound 'finished'"):
        read_results(tmp_path)
