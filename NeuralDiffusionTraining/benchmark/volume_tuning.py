"""Parameters of the peers on volumes: all of a grid measured on several scans, the best of them for a scan of its own.

The parameters for a scan are those with the best mean PSNR over the *other* scans that were measured, at the nearest
noise level. So no peer is tuned on what it is judged by, and each has been tuned on scans like it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any

import numpy as np

from .volume_methods import VolumeMethod
from .volume_peers import PEERS, Parameters, Peer
from .volumes import CLINICAL_SIGMAS, CleanVolume, add_noise, head_psnr

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
    others = [place for place, scan in enumerate(grid["scans"]) if scan["sha256"] != scan_sha256]
    if not others:
        raise ValueError("Parameters of the peers can only be chosen on scans other than the one that is measured.")
    level = int(np.argmin(np.abs(np.log(np.array(grid["sigmas"]) / max(sigma, 1e-6)))))
    entries = grid["peers"][peer.name]
    means = [np.mean([entry["psnr_head_db"][place][level] for place in others]) for entry in entries]
    return entries[int(np.argmax(means))]["parameters"]


def tuned_peers(scan_sha256: str) -> tuple[list[VolumeMethod], list[str]]:
    """The peers that are installed, with their parameters for a scan, and a sentence for each that is not."""
    grid = committed_grid()
    methods = [
        peer.method(lambda sigma, peer=peer: choose_parameters(grid, peer, scan_sha256, sigma))
        for peer in PEERS
        if peer.installed
    ]
    skipped = [
        f"{peer.name} was left out: install the package {peer.package} to have it."
        for peer in PEERS
        if not peer.installed
    ]
    return methods, skipped
