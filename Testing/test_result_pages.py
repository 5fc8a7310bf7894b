"""What the README and the pages of Resources/Results say of the quality on slices is what was measured."""

from __future__ import annotations

import math
import re

import pytest
import torch
from committed_results import PAGES, RESULTS, ROOT, SPLITS, psnr, table
from torch.utils.flop_counter import FlopCounterMode

from NeuralDiffusionLib.engine.weights import BUNDLED_WEIGHTS, load_weights
from NeuralDiffusionTraining.data.splits import read_split
from NeuralDiffusionTraining.reporting.readme_figures import BLOCKS, with_figures
from NeuralDiffusionTraining.reporting.results import our_rows

pytest_plugins = ["committed_results"]


def test_every_kind_of_table_stands_on_a_page(words):
    for name in BLOCKS:
        assert words.count(f"<!-- figures: {name} -->") == 1


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_shows_what_was_measured(results, page):
    text = page.read_text(encoding="utf-8")
    assert with_figures(text, results) == text, f"run: neural-diffusion report Resources/Results --readme {page}"


def test_the_index_names_every_file_of_the_results():
    index = (RESULTS / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([^` ]+\.(?:json|csv))`", index))
    assert named == {path.name for path in RESULTS.iterdir() if path.suffix in (".json", ".csv")}


@pytest.mark.parametrize(
    "page",
    [*PAGES, RESULTS / "README.md", ROOT / "MESSAGES.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_every_link_leads_to_a_file_and_a_heading(page):
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", page.read_text(encoding="utf-8")):
        path = page.parent / target if target else page
        assert path.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}


def test_readme_says_in_short_what_stands_on_the_pages(results, readme):
    grouped, alone = (table(results, name)["rows"] for name in ("rician_grouped", "rician_grouped_long"))
    new = next(row for row in alone if row["method"].startswith("Ours, trained like"))["psnr_db"]["mean"]
    lost = our_rows(grouped)[0]["psnr_db"]["mean"] - new
    assert f"reaches {new:.2f} dB under Rician noise, {lost:.2f} dB less" in readme
    draws = [our_rows(table(results, f"rician{draw}")["rows"])[0] for draw in ("", "_draw_1", "_draw_2", "_draw_3")]
    assert f"The mean of four is [{sum(one['psnr_db']['mean'] for one in draws) / 4:.2f} dB]" in readme
    bench = next(row for row in table(results, "bench_avx2")["rows"] if row["method"] == "Neural Diffusion")
    assert f"bfloat16 it took {bench['median']:.1f} s" in readme


def test_readme_begins_with_what_was_measured(results, readme):
    rows = table(results, "rician")["rows"]
    classical = max(row["psnr_db"]["mean"] for row in rows if "(tuned, bias-corrected)" in row["method"])
    noisy, ours, ffdnet = (
        psnr(rows, name) for name in ("Noisy input", "Neural Diffusion, 8 neighbours", "FFDNet + VST, estimated")
    )
    assert f"the PSNR rises from {noisy:.1f} to {ours:.1f} dB" in readme
    assert f"reaches {classical:.1f} dB, FFDNet {ffdnet:.1f} dB" in readme
    bench = next(row for row in table(results, "bench")["rows"] if row["method"] == "Neural Diffusion")
    assert f"takes {bench['median']:.0f} s on two CPU cores" in readme


def test_readme_states_the_size_of_the_network(readme):
    network = load_weights().network
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.rand(1, 1, 128, 128))
    parameters = sum(weights.numel() for weights in network.parameters())
    megabytes = BUNDLED_WEIGHTS.stat().st_size / 1e6
    # The counter takes a multiply-add for two operations.
    cost = counter.get_total_flops() / 2e9
    stated = f"{parameters / 1e3:.0f} k parameters in a file of {megabytes:.1f} MB, {cost:.2f} billion multiply-adds"
    assert stated in readme


def test_pages_say_what_speckle_of_a_low_level_costs(results, words):
    harm = {}
    for split in ("", "_grouped"):
        for cell in table(results, f"sweep_default{split}")["cells"]:
            lost = cell["noisy"]["psnr_db"]["mean"] - cell["full"]["psnr_db"]["mean"]
            if cell["sigma"] and lost > 0:
                harm[cell["noise"], cell["sigma"], split] = lost
    assert {place[:2] for place in harm} == {("speckle", 0.01), ("speckle", 0.02)}
    at_one, at_two = (
        "{:.2f} and {:.2f} dB".format(*(harm["speckle", sigma, split] for split in ("", "_grouped")))
        for sigma in (0.01, 0.02)
    )
    assert f"Speckle of 1 % comes out worse than it went in, by {at_one} on the two splits" in words
    assert f"speckle of 2 % by {at_two}" in words


def test_pages_say_what_the_means_of_faint_noise_hide(results, words):
    here, there = (
        {(cell["noise"], cell["sigma"]): cell["full"] for cell in table(results, f"sweep_default{split}")["cells"]}
        for split in ("", "_grouped")
    )
    worst = here["speckle", 0.01]
    assert worst["worse_slices"] == there["speckle", 0.01]["worse_slices"]
    stated = f"at 1 % {worst['worse_slices']} of 450 on either split, one of them {worst['largest_loss_db']:.1f} dB"
    assert stated in words
    lowest = [
        math.floor(10 * min(split[noise, 0.0]["lowest_psnr_db"] for split in (here, there))) / 10
        for noise in ("speckle", "rician")
    ]
    assert (
        "comes back at {:.1f} dB or better if it is called speckle, and at {:.1f} dB or better".format(*lowest) in words
    )
    faint = here["rician", 0.01]
    assert f"{faint['worse_slices']} of which lose up to {faint['largest_loss_db']:.2f} dB" in words


def test_pages_say_by_how_much_ours_leads_the_plain_unet(results, words):
    leads = []
    for name in ("competitors", "competitors_gaussian", "competitors_speckle"):
        rows = {row["method"]: row for row in table(results, name)["rows"]}
        leads.append(-rows["Plain U-Net"]["difference_psnr_db"]["mean"])
    stated = "{:.2f} dB under Rician noise, by {:.2f} dB under Gaussian noise and by {:.2f} dB under speckle"
    assert stated.format(*leads) in words
    mixed = []
    names = ("competitors_mixed", "competitors_grouped_mixed")
    for name in (*names, *(f"{name}_two_threads" for name in names)):
        rows = {row["method"]: row["difference_psnr_db"]["mean"] for row in table(results, name)["rows"]}
        mixed += [-rows["Plain U-Net"], -rows["U-Net with our noise level and inversion"]]
    stated = "it leads the plain U-Net by {:.2f} dB and the one with our noise level and inversion by {:.2f} dB"
    assert stated.format(*mixed) in words
    assert "): {:.2f} and {:.2f} dB). There equal runs differ".format(*mixed[2:4]) in words
    assert "ours leads by {:.2f} and {:.2f} dB".format(*mixed[4:6]) in words
    assert "): {:.2f} and {:.2f} dB). After six times".format(*mixed[6:]) in words
    there = []
    for name in ("rician_grouped", "gaussian_grouped", "speckle_grouped"):
        rows = table(results, name)["rows"]
        there.append(psnr(rows, "Ours, short run") - psnr(rows, "Plain U-Net, short run"))
    assert "on the grouped one by {:.2f}, {:.2f} and {:.2f} dB".format(*there) in words
    rows = {row["method"]: row["difference_psnr_db"]["mean"] for row in table(results, "competitors_24_epochs")["rows"]}
    plain, control = -rows["Plain U-Net"], -rows["U-Net with our noise level and inversion"]
    assert f"still leads by {plain:.2f} dB, and leads the same U-Net" in words
    assert f"our noise level and inversion by {control:.2f} dB" in words


def test_pages_say_by_how_much_ours_leads_with_other_seeds(results, words):
    leads = {"Plain U-Net": [], "U-Net with our noise level and inversion": []}
    for name in ("competitors", "competitors_seed_1", "competitors_seed_2"):
        rows = {row["method"]: row for row in table(results, name)["rows"]}
        for other, found in leads.items():
            found.append(-rows[other]["difference_psnr_db"]["mean"])
    plain, control = leads.values()
    assert "ours leads the plain U-Net by {:.2f}, {:.2f} and {:.2f} dB".format(*plain) in words
    assert "our noise level and inversion by {:.2f}, {:.2f} and {:.2f} dB".format(*control) in words
    assert min(plain) > 0.5
    assert min(control) > 0


def test_pages_say_how_far_the_ablations_of_both_splits_agree(results, words):
    here, there = (
        {row["variant"]: row["difference_psnr_db"]["mean"] for row in table(results, name)["rows"] if row["refined"]}
        for name in ("ablation", "ablation_grouped")
    )
    floor = "No shrinkage at the noise floor"
    largest = max(abs(here[name] - there[name]) for name in here if name != floor)
    stated = f"{-there[floor]:.2f} dB there, {-here[floor]:.2f} dB here"
    assert list(here) == list(there)
    assert stated in words
    assert f"the same within {largest:.2f} dB" in words


def test_pages_say_what_parts_cost_in_short_runs_and_in_longer_ones(results, words):
    def without(name, part):
        rows = {(row["variant"], row["refined"]): row for row in table(results, name)["rows"]}
        alone = rows["Full", False]["psnr_db"]["mean"] - rows[part, False]["psnr_db"]["mean"]
        return rows[part, True], rows["Full", True], alone

    parts = ("Loss of the result alone", "Single scale", "No bias treatment")
    costs, alone = zip(
        *((row["difference_psnr_db"]["mean"], lost) for row, _, lost in (without("ablation", part) for part in parts)),
        strict=True,
    )
    stated = "({:.2f} dB here), several scales ({:.2f} dB) and the bias treatment ({:.2f} dB here"
    assert stated.format(*costs) in words
    assert "which has {:.2f}, {:.2f} and {:.2f} dB less without them".format(*alone) in words
    grouped = without("ablation_grouped", "No bias treatment")[0]["difference_psnr_db"]
    assert grouped["low"] < 0 < grouped["high"]
    for part in ("Fixed step sizes", "No average of the weights"):
        for name in ("ablation", "ablation_grouped"):
            row, full, lost = without(name, part)
            assert lost < 0
            assert row["psnr_db"]["mean"] > full["psnr_db"]["mean"]
            assert row["ssim"]["mean"] > full["ssim"]["mean"]
            assert row["edge_mse"]["mean"] < full["edge_mse"]["mean"]
    fixed = without("ablation_12_epochs", "Fixed step sizes")[0]["difference_psnr_db"]
    assert (
        "(fixed ones: {:+.2f} dB, {:.2f} to {:+.2f})".format(*(fixed[end] for end in ("mean", "low", "high"))) in words
    )
    bias = without("ablation_12_epochs", "No bias treatment")[0]["difference_psnr_db"]
    assert "full network {:.2f} dB ({:.2f} to {:.2f})".format(*(bias[end] for end in ("mean", "low", "high"))) in words
    assert without("ablation_12_epochs", "No average of the weights")[0]["difference_psnr_db"]["mean"] < 0


def test_pages_say_what_other_optimisers_bring(results, words):
    rows = [row for row in table(results, "optimisers")["rows"] if row["refined"]]
    best = {
        name: max(row["psnr_db"]["mean"] for row in rows if row["variant"].split(",")[0] == name)
        for name in ("Plain U-Net", "U-Net with our noise level and inversion", "DnCNN-class", "Full")
    }
    stated = "U-Net reaches {:.2f} dB, the one with our noise level and inversion {:.2f} dB, the DnCNN-class network "
    assert (stated + "{:.2f} dB and ours {:.2f} dB").format(*best.values()) in words
    adamw = next(row for row in rows if row["variant"] == "Full, AdamW")
    assert f"brings ours to {adamw['psnr_db']['mean']:.2f} dB at 0.001" in words


def test_pages_say_how_far_what_was_learned_flatters_ours(results, words):
    original, grouped = (read_split(SPLITS / f"{name}.json") for name in ("original", "grouped"))
    known = [split.related(split.test, original.train) for split in (original, grouped)]
    assert (
        "{} of the 450 test slices of the original split and {} of the 450 of the grouped one".format(*known) in words
    )
    assert f"{len(set(original.test) & set(grouped.train))} of the 450 test slices of the original split lie" in words
    rows = table(results, "rician_grouped")["rows"]
    there, elsewhere = (psnr(rows, name) for name in ("Ours, short run", "Ours, short run on the training part"))
    assert f"{there:.2f} dB trained there and {elsewhere:.2f} dB trained on the original part" in words


def test_pages_say_what_training_without_copies_of_the_test_slices_gives(results, words):
    reached, lost = {}, {}
    for noise in ("rician", "gaussian", "speckle"):
        content = table(results, f"{noise}_grouped_long")
        assert (content["slices"], content["split"]) == (450, "grouped")
        reached[noise] = next(row for row in content["rows"] if row["method"].startswith("Ours, trained like"))
        ours = our_rows(table(results, f"{noise}_grouped")["rows"])[0]
        lost[noise] = ours["psnr_db"]["mean"] - reached[noise]["psnr_db"]["mean"]
    three = "{:.2f} dB / {:.3f} / {:.4f}".format(
        *(reached["rician"][name]["mean"] for name in ("psnr_db", "ssim", "edge_mse"))
    )
    assert f"It then reaches {three} on them under Rician noise" in words
    ffdnet = next(
        row for row in table(results, "rician_grouped")["rows"] if row["method"] == "FFDNet + VST, estimated sigma"
    )
    assert (
        "FFDNet: {:.2f} dB / {:.3f} / {:.4f} with an estimated level".format(
            *(ffdnet[name]["mean"] for name in ("psnr_db", "ssim", "edge_mse"))
        )
        in words
    )
    told = next(row for row in table(results, "rician_grouped")["rows"] if row["method"] == "FFDNet + VST, true sigma")
    three = "{:.2f} dB / {:.3f} / {:.4f}".format(*(told[name]["mean"] for name in ("psnr_db", "ssim", "edge_mse")))
    assert f"{three} with the true one" in words
    others = "{:.2f} dB under Gaussian noise and {:.2f} dB under speckle"
    assert others.format(*(reached[noise]["psnr_db"]["mean"] for noise in ("gaussian", "speckle"))) in words
    assert "{:.2f}, {:.2f} and {:.2f} dB less than the weights that ship".format(*lost.values()) in words


def test_pages_say_how_much_depends_on_the_draw_of_the_noise(results, words):
    draws = [table(results, f"rician_draw_{number}") for number in (1, 2, 3)]
    assert [(content["draw"], content["slices"], content["split"]) for content in draws] == [
        (number, 450, "original") for number in (1, 2, 3)
    ]
    rows = [content["rows"] for content in draws]
    ours = [our_rows(one)[0] for one in rows]
    psnrs = [one["psnr_db"]["mean"] for one in ours]
    assert "measure {:.2f}, {:.2f} and {:.2f} dB".format(*(psnr(one, "Noisy input") for one in rows)) in words
    assert "ours reaches {:.2f}, {:.2f} and {:.2f} dB".format(*psnrs) in words
    ssims, edges = ([one[name]["mean"] for one in ours] for name in ("ssim", "edge_mse"))
    span = f"an SSIM of {min(ssims):.3f} to {max(ssims):.3f} and an edge MSE of {min(edges):.4f} to {max(edges):.4f}"
    assert span in words
    tables = our_rows(table(results, "rician")["rows"])[0]["psnr_db"]["mean"]
    mean = (sum(psnrs) + tables) / 4
    assert f"all four draws {mean:.2f} dB, {tables - mean:.2f} dB less than on that of the tables" in words
    ffdnet = [psnr(one, "FFDNet + VST, true sigma") for one in rows]
    assert "with {:.2f}, {:.2f} and {:.2f} dB".format(*ffdnet) in words
    assert all(one > other for one, other in zip(psnrs, ffdnet, strict=True))


def test_pages_say_how_near_ffdnet_comes_that_is_told_the_noise_level(results, words):
    rows = table(results, "rician")["rows"]
    gap = next(row for row in rows if row["method"] == "FFDNet + VST, true sigma")["difference_psnr_db"]
    stated = "{:.2f} dB behind ours over the whole slice (95 % interval of the difference: {:.2f} to {:+.2f})"
    assert stated.format(-gap["mean"], gap["low"], gap["high"]) in words


def test_pages_say_how_many_groups_the_intervals_rest_on(results, words):
    groups = [table(results, name)["groups"] for name in ("rician", "rician_grouped")]
    assert "{} on the original split and {} on the grouped one".format(*groups) in words


def test_pages_say_where_ffdnet_is_ahead(results, words):
    gaps = []
    for name in ("rician", "rician_grouped"):
        rows = table(results, name)["rows"]
        gap = next(row for row in rows if row["method"] == "FFDNet + VST, estimated sigma")["difference_psnr_head_db"]
        gaps += [gap["mean"], gap["low"], gap["high"]]
    stated = (
        "{:.2f} dB ({:.2f} to {:.2f}) on the original split and by {:.2f} dB ({:.2f} to {:+.2f}) on the grouped one"
    )
    assert stated.format(*gaps) in words
    theirs = next(
        row
        for row in table(results, "gaussian_grouped")["rows"]
        if row["method"].startswith("FFDNet + bias inversion, est")
    )
    ours = next(
        row for row in table(results, "gaussian_grouped_long")["rows"] if row["method"].startswith("Ours, trained like")
    )
    assert f"({theirs['ssim']['mean']:.3f}, ours {ours['ssim']['mean']:.3f})" in words
    lost = next(
        row for row in table(results, "rician_grouped_long")["rows"] if row["method"].startswith("Ours, trained like")
    )["difference_psnr_db"]
    assert f"95 % interval of the difference: {-lost['high']:.2f} to {-lost['low']:.2f} dB" in words


def test_pages_say_what_becomes_of_faint_rician_noise(results, words):
    rows = table(results, "rician_faint")["rows"]
    noisy, ours = next(row for row in rows if row["method"] == "Noisy input"), our_rows(rows)[0]
    gain = ours["psnr_db"]["mean"] - noisy["psnr_db"]["mean"]
    before, after = (row["edge_mse"]["mean"] for row in (noisy, ours))
    assert f"{gain:.2f} dB better on the 450 slices" in words
    assert f"but with edges that are {100 * (after / before - 1):.0f} % farther" in words
    assert f"(edge MSE {after:.5f}, before {before:.5f})" in words


def test_pages_say_what_becomes_of_faint_lesions(results, words):
    checks = table(results, "checks")

    def of(part: str, name: str, method: str, **where: int) -> float:
        fitting = [row for row in checks[part] if row["method"].startswith(method)]
        return next(row for row in fitting if where.items() <= row.items())[name]["mean"]

    names = ("Neural Diffusion, 8 neighbours", "Plain U-Net", "Non-local means")
    left = [100 * of("lesions", "recovered", name, radius_px=4, cnr=1) for name in names]
    false = [of("false_lesions", "per_slice", name, radius_px=2, cnr=1) for name in (*names, "Noisy input")]
    assert "{:.0f} % is left ({:.0f} % by the plain U-Net, {:.0f} % by non-local means)".format(*left) in words
    assert "{:.2f} false blobs of that contrast a slice ({:.2f} and {:.2f}), but {:.2f} in".format(*false) in words
    peers = ("BM3D + VST, estimated sigma", "FFDNet + VST, estimated sigma")
    kept = [100 * of("lesions", "recovered", name, radius_px=4, cnr=1) for name in peers]
    assert "with an estimated level leave as much, {:.0f} and {:.0f} %".format(*kept) in words

    def difference(checks: dict[str, list[dict]], method: str) -> dict[str, float]:
        where = (method, 2, 1)
        rows = checks["false_lesions"]
        row = next(row for row in rows if (row["method"], row["radius_px"], row["cnr"]) == where)
        return row["difference_per_slice"]

    fewer = []
    for method in (*peers, f"{names[0]}, no refinement"):
        found = difference(checks, method)
        fewer += [-found["mean"], -found["high"], -found["low"]]
    assert "by {:.2f} ({:.2f} to {:.2f}) and {:.2f} ({:.2f} to {:.2f}; on".format(*fewer[:6]) in words
    there = [difference(table(results, "checks_grouped"), method) for method in peers]
    assert there[0]["high"] > 0 > there[1]["high"]
    assert f"on the grouped split FFDNet alone, by {-there[1]['mean']:.2f})" in words
    assert "So does the equation alone, by {:.2f} ({:.2f} to {:.2f})".format(*fewer[6:]) in words
