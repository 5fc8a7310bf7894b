"""Parameters of the peers on volumes: all of a grid measured on several scans, the best of them for a scan.

A scan's parameters are those with the best mean PSNR over the *other* scans that were measured, at the nearest noise
level: no peer is tuned on what it is judged by. The template does not count among the others, because a mean of 152
heads is far smoother than a scan and would make every peer smooth too much. Where the scan itself was measured, each
peer gets a second row with the parameters that were best on some slices of this very scan, under another draw of the
noise: more than any user could know, and nearly the most that the filter has to give.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...files.command_error import CommandError
from ...files.result_files import check_is_file, read_json
from .evaluation import CLINICAL_SIGMAS, CleanVolume, add_noise, head_psnr
from .methods import VolumeMethod
from .peers import PEERS, Parameters, Peer
from .template import TEMPLATE_NAME

BEST_HERE = "best for this scan"
PACKAGED_GRID = Path(__file__).with_name("peers.json")
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
    return json.loads(PACKAGED_GRID.read_text(encoding="utf-8"))


def read_grid(path: Path) -> dict[str, Any]:
    """What `neural-diffusion tune-volumes` wrote into a file; see `measure_grid`.

    Peers that were not installed then are not in it.

    Raises
    ------
    CommandError
        If it cannot be read or is another file.
    """
    instead = "give one that 'neural-diffusion tune-volumes' wrote"
    check_is_file("File of parameters", path, instead)
    try:
        grid = read_json(path)
        _check_grid(grid)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CommandError(f"'{path}' holds no parameters of the 3-D filters: {instead}.") from error
    return grid


def has_other_scans(grid: dict[str, Any], scan_sha256: str) -> bool:
    """Whether a grid was measured on scans from which parameters for this one can be chosen."""
    return bool(_others(grid, scan_sha256))


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
    others = _others(grid, scan_sha256)
    if not others:
        raise ValueError("Parameters of the peers can only be chosen on scans other than the one that is measured.")
    return _best(grid, peer, others, sigma)


def best_parameters(grid: dict[str, Any], peer: Peer, scan_sha256: str, sigma: float) -> Parameters:
    """The parameters that were best on this very scan; arguments as for `choose_parameters`."""
    return _best(grid, peer, [[scan["sha256"] for scan in grid["scans"]].index(scan_sha256)], sigma)


def tuned_peers(scan_sha256: str, grid: dict[str, Any] | None = None) -> tuple[list[VolumeMethod], list[str]]:
    """The peers that can run, with their parameters for a scan, and a sentence for each that cannot.

    Parameters
    ----------
    scan_sha256
        Of the scan at hand.
    grid
        What `read_grid` returns; the one that comes with the package if left out.
    """
    grid = committed_grid() if grid is None else grid
    measured = scan_sha256 in [scan["sha256"] for scan in grid["scans"]]
    methods = []
    for peer in PEERS:
        if peer.installed and peer.name in grid["peers"]:
            methods.append(peer.method(partial(choose_parameters, grid, peer, scan_sha256)))
            if measured:
                own = replace(peer, name=f"{peer.name}, {BEST_HERE}")
                methods.append(own.method(partial(best_parameters, grid, peer, scan_sha256)))
    skipped = [
        f"{peer.name} was left out: install the package {peer.package} to have it."
        for peer in PEERS
        if not peer.installed
    ]
    skipped += [
        f"{peer.name} was left out: run 'neural-diffusion tune-volumes' with it to have parameters for it."
        for peer in PEERS
        if peer.installed and peer.name not in grid["peers"]
    ]
    return methods, skipped


def _others(grid: dict[str, Any], scan_sha256: str) -> list[int]:
    scans = enumerate(grid["scans"])
    return [place for place, scan in scans if scan["sha256"] != scan_sha256 and scan["name"] != TEMPLATE_NAME]


def _check_grid(grid: dict[str, Any]) -> None:
    """An error where it is no grid, or lacks a figure of a peer that is in it."""
    sigmas = np.array(grid["sigmas"], float)
    scans = [(scan["name"], scan["sha256"]) for scan in grid["scans"]]
    peers = [peer for peer in PEERS if peer.name in grid["peers"]]
    if not peers or not len(sigmas) or not (np.isfinite(sigmas) & (sigmas > 0)).all():
        raise ValueError("no peer, or no noise level")
    for peer in peers:
        entries = grid["peers"][peer.name]
        figures = np.array([entry["psnr_head_db"] for entry in entries], float)
        if [entry["parameters"] for entry in entries] != peer.grid():
            raise ValueError("other parameters than may be chosen")
        if figures.shape != (len(entries), len(scans), len(sigmas)) or not np.isfinite(figures).all():
            raise ValueError("figures are missing")


def _best(grid: dict[str, Any], peer: Peer, places: list[int], sigma: float) -> Parameters:
    level = int(np.argmin(np.abs(np.log(np.array(grid["sigmas"]) / sigma))))
    entries = grid["peers"][peer.name]
    means = [np.mean([entry["psnr_head_db"][place][level] for place in places]) for entry in entries]
    return entries[int(np.argmax(means))]["parameters"]
