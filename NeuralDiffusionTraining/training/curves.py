"""Learning curves: one CSV for the whole run, however often it was interrupted, and a picture of it."""

from __future__ import annotations

import io
from pathlib import Path

import lightning as L
import pandas as pd

from NeuralDiffusionLib.whole_files import write_whole

FOLDER = "curves"
"""Lightning's CSV logger starts a new sub-folder here at every start."""

TABLE, PICTURE = "curves.csv", "curves.png"


class CurveFiles(L.Callback):
    """Writes `curves.csv` and `curves.png` into the folder of the run after every epoch."""

    def __init__(self, output: Path) -> None:
        self.output = output

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        from ..reporting.plots import plot_curves

        if not trainer.is_global_zero:
            return
        trainer.logger.save()
        curves = read_curves(self.output / FOLDER)
        write_whole(
            [
                (self.output / TABLE, lambda unfinished: curves.to_csv(unfinished, index=False)),
                (self.output / PICTURE, lambda unfinished: plot_curves(curves, unfinished)),
            ]
        )


def read_curves(folder: Path) -> pd.DataFrame:
    """Join the logs of all starts of a run.

    Returns
    -------
    pandas.DataFrame
        One row a logged step, sorted; where a later start repeated a step, its values.
    """
    starts = sorted(folder.glob("version_*/metrics.csv"), key=lambda path: int(path.parent.name.split("_")[1]))
    joined = pd.DataFrame()
    for start in starts:
        log = _read_log(start)
        if log is None:
            continue
        kept = joined[joined["step"] < log["step"].min()] if len(joined) else joined
        joined = pd.concat([kept, log], ignore_index=True) if len(kept) else log
    # Training and validation are logged as rows of their own for the same step.
    return joined.groupby("step", as_index=False).last() if len(joined) else joined


def _read_log(path: Path) -> pd.DataFrame | None:
    """One log; ``None`` if it has no row yet."""
    # A start that was killed, or found the disk full, may have left it empty or its last row cut.
    header, *rows = path.read_text(encoding="utf-8").rpartition("\n")[0].splitlines() or [""]
    return pd.read_csv(io.StringIO("\n".join([header, *rows]))) if rows else None
