"""Parameters of the peers on volumes: all of a grid measured on several scans, the best of them for a scan.

A scan's parameters are those with the best mean PSNR over the *other* scans that were measured, at the nearest noise
level: no peer is tuned on what it is judged by. The template does not count among the others, because a mean of 152
heads is far smoother than a scan and would make every peer smooth too much. Where the scan itself was measured, each
peer gets a second row with the parameters that were best on this very scan: more than any user could know, and the
most that the filter has to give.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from importlib.resources import files
from typing import Any

import numpy as np

from .template import TEMPLATE_NAME
from .volume_methods import VolumeMethod
from .volume_peers import PEERS, Parameters, Peer
from .volumes import CLINICAL_SIGMAS, CleanVolume, add_noise, head_psnr

BEST_HERE = "best for this scan"
TUNING_SEED = 43
"""Not the seed of the evaluation: parameters are not fitted to its noise."""


def measure_grid(
    scans: Sequence[CleanVolume],
    peers: Sequence[Peer] = PEERS,
    sigmas: Sequence[float] = CLINICAL_SIGMAS,
    report: Callable[[], None] | None = None,
) -> dict[str, Any]:
    """PSNR in the head of every peer with every combination of its parameters.

    Parameters
    ----------
    sigmas
        Noise levels relative to the intensity range.
    report
        Called after each run; there are scans x sigmas x combinations.

    Returns
    -------
    dict
        "sigmas", "seed", "scans" (name, slices and SHA-256 of each) and "peers": for each name a list of "parameters"
        and "psnr_head_db", a list of scans of lists of noise levels.
    """
    scores = {
        peer.name: [{"parameters": parameters, "psnr_head_db": [[] for _ in scans]} for parameters in peer.grid()]
        for peer in peers
    }
    for place, clean in enumerate(scans):
        for number, sigma in enumerate(sigmas):
            noisy = add_noise(clean, sigma, number, TUNING_SEED)
            for peer in peers:
                for entry in scores[peer.name]:
                    psnr = head_psnr(peer.run(noisy, entry["parameters"]), clean)
                    entry["psnr_head_db"][place].append(round(psnr, 3))
                    if report is not None:
                        report()
    described = [{"name": one.name, "slices": len(one.voxels), "sha256": one.sha256} for one in scans]
    return {"sigmas": list(sigmas), "seed": TUNING_SEED, "scans": described, "peers": scores}


def committed_grid() -> dict[str, Any]:
    """What `neural-diffusion tune-volumes` measured, as it comes with the package; see `measure_grid`."""
    return json.loads(files(__package__).joinpath("volume_peers.json").read_text(encoding="utf-8"))


def choose_parameters(grid: dict[str, Any], peer: Peer, scan_sha256: str, sigma: float) -> Parameters:
    """The best parameters for a scan by what was measured on the others.

    Parameters
    ----------
    grid
        What `measure_grid` returns.
    scan_sha256
        Of the scan at hand, whose own measurements, if there are any, do not count.
    sigma
        Noise level; the nearest one that was measured counts, by ratio.

    Raises
    ------
    ValueError
        If no other scan was measured.
    """
    scans = enumerate(grid["scans"])
    others = [place for place, scan in scans if scan["sha256"] != scan_sha256 and scan["name"] != TEMPLATE_NAME]
    if not others:
        raise ValueError("Parameters of the peers can only be chosen on scans other than the one that is measured.")
    return _best(grid, peer, others, sigma)


def best_parameters(grid: dict[str, Any], peer: Peer, scan_sha256: str, sigma: float) -> Parameters:
    """The parameters that were best on this very scan; arguments as for `choose_parameters`."""
    return _best(grid, peer, [[scan["sha256"] for scan in grid["scans"]].index(scan_sha256)], sigma)


def tuned_peers(scan_sha256: str) -> tuple[list[VolumeMethod], list[str]]:
    """The peers that are installed, with their parameters for a scan, and a sentence for each that is not."""
    grid = committed_grid()
    measured = scan_sha256 in [scan["sha256"] for scan in grid["scans"]]
    methods = []
    for peer in PEERS:
        if peer.installed:
            methods.append(peer.method(partial(choose_parameters, grid, peer, scan_sha256)))
            if measured:
                own = replace(peer, name=f"{peer.name}, {BEST_HERE}")
                methods.append(own.method(partial(best_parameters, grid, peer, scan_sha256)))
    skipped = [
        f"{peer.name} was left out: install the package {peer.package} to have it."
        for peer in PEERS
        if not peer.installed
    ]
    return methods, skipped


def _best(grid: dict[str, Any], peer: Peer, places: list[int], sigma: float) -> Parameters:
    level = int(np.argmin(np.abs(np.log(np.array(grid["sigmas"]) / sigma))))
    entries = grid["peers"][peer.name]
    means = [np.mean([entry["psnr_head_db"][place][level] for place in places]) for entry in entries]
    return entries[int(np.argmax(means))]["parameters"]
