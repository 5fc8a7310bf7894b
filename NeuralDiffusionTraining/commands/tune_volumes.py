"""`neural-diffusion tune-volumes`: measure the parameters that the 3-D peers may have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..files.result_files import check_outputs, write_json
from .benchmark_options import CleanScans, Template


def tune_volumes(
    json_file: Annotated[
        Path,
        typer.Option(
            "--json", help="Write what was measured to this file; evaluate-volumes takes it as --peers-tuned."
        ),
    ],
    scans: CleanScans = None,
    template: Template = False,
    slices: Annotated[int, typer.Option(min=1, help="Middle slices of each scan.")] = 10,
) -> None:
    """Measure every peer of evaluate-volumes with every combination of its parameters, on several scans.

    Given the file with --peers-tuned, evaluate-volumes takes, for each scan that it evaluates, the parameters that were
    best on the other scans of the file; without, it uses the file that comes with the package. Peers whose packages are
    not installed are left out.
    """

    from ..benchmark.run_facts import run_facts
    from ..benchmark.volumes.evaluation import CLINICAL_SIGMAS
    from ..benchmark.volumes.peers import LEAST_SLICES, PEERS
    from ..benchmark.volumes.tuning import measure_grid
    from ..files.terminal import passing_bar, terminal
    from .evaluate_volumes import read_clean

    check_outputs(json_file, inputs=scans or [])
    clean = read_clean(scans or [], template, slices, LEAST_SLICES)
    peers = [peer for peer in PEERS if peer.installed]
    runs = len(clean) * len(CLINICAL_SIGMAS) * sum(len(peer.grid()) for peer in peers)
    with passing_bar() as bar:
        task = bar.add_task("Filtering", total=runs)
        grid = measure_grid(clean, peers, report=lambda: bar.advance(task))
    write_json(json_file, grid | run_facts())
    terminal().print(f"{runs} runs on {len(clean)} scans written to '{json_file}'.", highlight=False, soft_wrap=True)
