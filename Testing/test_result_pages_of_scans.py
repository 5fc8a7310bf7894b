"""What the README and the pages of Resources/Results say of whole scans and of the speed is what was measured."""

from __future__ import annotations

import math

import pytest
from committed_results import table

from NeuralDiffusionLib.engine.weights import load_weights
from NeuralDiffusionTraining.reporting.further_abilities import further
from NeuralDiffusionTraining.reporting.results import names_of

pytest_plugins = ["committed_results"]


def test_pages_say_by_how_much_bm4d_leads(results, words):
    figures = {
        (row["volume"], row["sigma"], row["method"]): row["psnr_head_db"] for row in table(results, "volumes")["rows"]
    }
    leads = {
        place: value - figures[(*place, "Neural Diffusion, three planes")]
        for (*place, method), value in figures.items()
        if method.startswith("BM4D")
        for place in [tuple(place)]
    }
    template = [lead for (volume, _), lead in leads.items() if "template" in volume]
    scans = [lead for (volume, _), lead in leads.items() if "template" not in volume]
    assert f"by {min(scans):.2f} to {max(scans):.2f} dB on the three scans" in words
    assert f"by {min(template):.2f} to {max(template):.2f} dB on the template" in words


def test_pages_say_how_fast_a_cpu_without_bfloat16_is(results, words):
    content = table(results, "bench_avx2")
    rows = {row["method"]: row for row in content["rows"]}
    assert "AVX2" in content["hardware"]
    assert f"the same volume took {rows['Neural Diffusion']['median']:.1f} s" in words
    usual = next(row["median"] for name, row in rows.items() if name == "Nothing changed")
    plain, full = (
        next(row["median"] for name, row in rows.items() if name.startswith(start)) / usual
        for start in ("Straightforward form", "The same with guidance at full resolution")
    )
    assert f"{plain:.2f} times as fast as the straightforward form ({full:.2f} with guidance" in words
    curvature = rows["Curvature anisotropic diffusion, SimpleITK's defaults"]["ratio"]
    assert f"was faster, with {curvature:.2f} of our time" in words


@pytest.fixture
def whole(results):
    """PSNR in the head by method, scan and noise level, of all slices."""
    rows = table(results, "volumes_whole")["rows"]
    assert table(results, "volumes_whole")["slices"] == 0
    return {(row["method"], row["volume"], row["sigma"]): row["psnr_head_db"] for row in rows}


def leads_over(ours: str, whole: dict) -> dict:
    """By how much the filters whose parameters come from other scans are ahead, in dB."""
    return {
        (method, volume, sigma): value - whole[ours, volume, sigma]
        for (method, volume, sigma), value in whole.items()
        if "3-D" in method and "best for" not in method
    }


def ahead_on_average(leads: dict, sigma: float) -> set[str]:
    totals = {}
    for (method, _, level), lead in leads.items():
        totals[method] = totals.get(method, 0) + lead * (level == sigma)
    return {method for method, total in totals.items() if total > 0}


GRADIENT = "Gradient anisotropic diffusion 3-D + inversion"
MEANS = {"Non-local means 3-D + inversion", "Non-local means 3-D, Rician (DIPY)"}


def test_pages_say_where_filters_in_3d_lead_the_three_planes(whole, words):
    leads = leads_over("Neural Diffusion, three planes", whole)
    assert len({volume for _, volume, _ in whole}) == 4
    least = -max(lead for (_, _, sigma), lead in leads.items() if sigma > 0.01)
    assert f"on each of the four scans, by {math.floor(100 * least) / 100:.2f} dB or more" in words
    gradient = {volume: leads[GRADIENT, volume, 0.01] for _, volume, _ in whole}
    brain = next(volume for volume in gradient if "T1_brain" in volume)
    template = next(volume for volume in gradient if "template" in volume)
    assert gradient.pop(brain) < 0 < min(gradient.values())
    lead = gradient.pop(template)
    most = max(gradient.values())
    assert f"by up to {most:.2f} dB on the two scans and by {lead:.2f} dB on the template" in words
    assert ahead_on_average(leads, 0.01) == {GRADIENT, *MEANS}
    best = "Non-local means 3-D, Rician (DIPY), best for this scan"
    ahead = [
        whole[best, template, sigma] - whole["Neural Diffusion, three planes", template, sigma]
        for sigma in (0.03, 0.05, 0.09, 0.15)
    ]
    assert max(ahead[2:]) < 0
    assert "by {:.2f} and {:.2f} dB".format(*ahead[:2]) in words


def test_pages_say_where_the_refinement_harms(whole, words, readme):
    cost = {
        (volume, sigma): whole["Neural Diffusion (no refinement)", volume, sigma] - value
        for (method, volume, sigma), value in whole.items()
        if method == "Neural Diffusion"
    }
    head = [value for (volume, _), value in cost.items() if volume.startswith("MRHead")]
    others = [value for (volume, _), value in cost.items() if not volume.startswith("MRHead")]
    assert "it costs {:.2f}, {:.2f}, {:.2f}, {:.2f} and {:.2f} dB at 1, 3, 5, 9".format(*head) in words
    assert f"it costs up to {max(others):.2f} dB or gains up to {-min(others):.2f} dB" in words
    assert f"by up to {max(head):.2f} dB on MRHead" in readme


def test_pages_say_where_filters_in_3d_lead_ours_with_the_step_across_slices(whole, words):
    leads = leads_over("Neural Diffusion, step across slices", whole)
    ahead = {place: lead for place, lead in leads.items() if lead > 0 and place[2] > 0.01}
    on_head = {place[2]: lead for place, lead in ahead.items() if "MRHead" in place[1]}
    assert sorted(on_head) == [0.03, 0.05, 0.09]
    largest = max(lead for place, lead in ahead.items() if "MRHead" in place[1])
    assert f"are ahead on MRHead at 3, 5 and 9 %, by up to {largest:.2f} dB" in words
    (elsewhere,) = (lead for place, lead in ahead.items() if "MRHead" not in place[1])
    assert f"from 3 % on nowhere by more than {math.ceil(100 * elsewhere) / 100:.2f} dB" in words
    assert f"ahead of every one of them on all but MRHead, but for {elsewhere:.2f} dB in one case" in words
    assert ahead_on_average(leads, 0.01) == {GRADIENT, *MEANS}


def test_pages_say_what_blind_spot_training_brought(results, words):
    before, after = (
        {(row["volume"], row["sigma"], row["method"]): row["psnr_head_db"] for row in table(results, name)["rows"]}
        for name in ("volumes", "volumes_adapted")
    )
    lost = {place[1:]: before[place] - value for place, value in after.items()}
    alone, planes = (
        {sigma: value for (sigma, method), value in lost.items() if method == name}
        for name in ("Neural Diffusion", "Neural Diffusion, three planes")
    )
    assert max(alone, key=alone.get) == max(planes, key=planes.get) == 0.05
    assert f"{alone[0.09]:.2f} dB less than before at that level, and {alone[0.05]:.2f} dB less at 5 %" in words
    assert f"three planes {-planes[0.09]:.2f} dB more at that level, and {planes[0.05]:.2f} dB less at 5 %" in words


def test_the_report_says_what_blind_spot_training_brought(results):
    before, after = (
        {(row["volume"], row["sigma"]): row["psnr_head_db"] for row in rows if row["method"] == "Neural Diffusion"}
        for rows in (table(results, name)["rows"] for name in ("volumes", "volumes_adapted"))
    )
    weights = load_weights()
    line = further(results, names_of(weights.sha256, weights.metadata)).splitlines()[-1]
    assert len(after) == 5
    for place, value in after.items():
        assert f"{value - before[place]:+.2f} dB at {100 * place[1]:g} %" in line
