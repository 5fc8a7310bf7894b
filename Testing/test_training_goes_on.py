"""What a training run finds when it goes on: logs that were cut off, other slices, other weights to start from."""

from __future__ import annotations

import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from training_slices import make_slices

from NeuralDiffusionTraining.data.splits import load_split, write_splits
from NeuralDiffusionTraining.files.command_error import CommandError
from NeuralDiffusionTraining.networks.checkpoints import load_trained
from NeuralDiffusionTraining.training.config import TrainingConfig, parse_settings, read_config
from NeuralDiffusionTraining.training.curves import FOLDER, read_curves
from NeuralDiffusionTraining.training.denoising_task import DenoisingTask
from NeuralDiffusionTraining.training.run import RunSite, run_training

SMALL = (
    "limit=8",
    "batch_size=4",
    "precision=32-true",
    "validate_every=1",
    "sampling.crop=16",
    "sampling.iterations=1",
)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    make_slices(folder)
    return folder


def config(data: Path, *settings: str) -> TrainingConfig:
    return read_config(None, {**parse_settings([*SMALL, *settings]), "split": str(data / "original.json")})


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory) -> Path:
    """A run of one epoch."""
    output = tmp_path_factory.mktemp("finished") / "run"
    run_training(config(data, "epochs=1"), RunSite(data, output, "cpu"))
    return output


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def write_logs(folder: Path, *texts: str) -> Path:
    for number, text in enumerate(texts):
        log = folder / f"version_{number}" / "metrics.csv"
        log.parent.mkdir(parents=True)
        log.write_text(text, encoding="utf-8")
    return folder


class TestStopsAndMoves:
    @pytest.fixture
    def stopped(self, data, tmp_path, monkeypatch) -> Path:
        """A run of two epochs whose second one was ended by Ctrl-C."""
        step = DenoisingTask.training_step

        def interrupted(task, *batch):
            if task.global_step == 2:
                signal.raise_signal(signal.SIGINT)
            return step(task, *batch)

        output = tmp_path / "run"
        before = signal.getsignal(signal.SIGINT)
        with monkeypatch.context() as patched:
            patched.setattr(DenoisingTask, "training_step", interrupted)
            with pytest.raises(KeyboardInterrupt):
                run_training(config(data, "epochs=2"), RunSite(data, output, "cpu"))
        assert signal.getsignal(signal.SIGINT) == before
        return output

    def test_ctrl_c_keeps_the_epochs_that_are_done(self, stopped):
        assert load_trained(stopped / "last.ckpt").done["epochs_done"] == "1"

    def test_checkpoints_tell_of_the_best_under_the_name_of_lightnings_own_class(self, stopped):
        checkpoint = torch.load(stopped / "last.ckpt", weights_only=False)
        assert [name.partition("{")[0] for name in checkpoint["callbacks"] if "psnr" in name] == ["ModelCheckpoint"]

    @pytest.mark.parametrize("name", ["run", "moved"])
    def test_better_weights_are_kept_wherever_the_folder_lies_by_then(self, data, stopped, name):
        checkpoint = torch.load(stopped / "last.ckpt", weights_only=False)
        (of_best,) = (state for kind, state in checkpoint["callbacks"].items() if "psnr" in kind)
        for score in ("best_model_score", "kth_value"):
            of_best[score] = torch.tensor(99.0)
        of_best["best_k_models"] = dict.fromkeys(of_best["best_k_models"], torch.tensor(99.0))
        torch.save(checkpoint, stopped / "last.ckpt")
        folder = stopped.rename(stopped.with_name(name))
        best = (folder / "best.ckpt").read_bytes()

        run_training(config(data, "epochs=2"), RunSite(data, folder, "cpu"))

        assert load_trained(folder / "last.ckpt").done["epochs_done"] == "2"
        assert (folder / "best.ckpt").read_bytes() == best
        assert {path.name for path in folder.glob("*.ckpt")} == {"best.ckpt", "last.ckpt"}


def test_the_last_epoch_is_validated_whichever_others_are(data, tmp_path):
    run_training(config(data, "epochs=3", "validate_every=2"), RunSite(data, tmp_path / "run", "cpu"))
    curves = pd.read_csv(tmp_path / "run" / "curves.csv")
    assert curves.loc[curves["psnr"].notna(), "epoch"].tolist() == [1, 2]


class TestLogsOfStartsThatWereCutOff:
    @pytest.mark.parametrize("cut", ["", "epo", "epoch,loss,step\n"], ids=["empty", "within header", "header alone"])
    def test_a_start_that_logged_nothing_takes_nothing_from_the_others(self, tmp_path, cut):
        logs = write_logs(tmp_path, "epoch,loss,step\n0,0.5,19\n0,0.4,39\n", cut, "epoch,loss,step\n1,0.3,59\n")
        assert read_curves(logs)["step"].tolist() == [19, 39, 59]

    def test_half_a_row_is_left_out(self, tmp_path):
        # Of step 59 a 5 was written.
        logs = write_logs(tmp_path, "epoch,loss,step\n0,0.5,19\n0,0.4,39\n1,0.3,5", "epoch,loss,step\n1,0.2,59\n")
        curves = read_curves(logs)
        assert (curves["step"].tolist(), curves["loss"].tolist()) == ([19, 39, 59], [0.5, 0.4, 0.2])

    def test_a_run_goes_on_past_a_log_that_a_full_disk_left_empty(self, data, tmp_path):
        write_logs(tmp_path / FOLDER, "")
        run_training(config(data, "epochs=1"), RunSite(data, tmp_path, "cpu"))
        assert pd.read_csv(tmp_path / "curves.csv")["psnr"].notna().any()


class TestOtherSlicesOrWeights:
    def test_a_split_that_has_changed_since_is_refused_and_nothing_changed(self, data, finished, tmp_path):
        moved = tmp_path / "data"
        shutil.copytree(data, moved)
        output = tmp_path / "run"
        run_training(config(moved, "epochs=1"), RunSite(moved, output, "cpu"))
        before = contents(output)
        split = load_split(str(moved / "original.json"), moved)
        write_splits([replace(split, name="original", train=split.train[::-1])], moved)
        with pytest.raises(CommandError, match=r"holds a run on other slices, as split '.*' has changed since: give"):
            run_training(config(moved, "epochs=1"), RunSite(moved, output, "cpu"))
        assert contents(output) == before

    def test_a_run_goes_on_with_the_weights_it_started_from_named_again(self, data, finished, tmp_path):
        site = RunSite(data, tmp_path / "run", "cpu", start=finished / "last.ckpt")
        assert run_training(config(data, "epochs=1"), site) == run_training(config(data, "epochs=1"), site)

    @pytest.mark.parametrize("before", [False, True], ids=["from fresh weights", "from others"])
    def test_weights_that_a_run_did_not_start_from_are_refused(self, data, finished, tmp_path, before):
        output = tmp_path / "run"
        start = finished / "last.ckpt" if before else None
        run_training(config(data, "epochs=1"), RunSite(data, output, "cpu", start=start))
        other = tmp_path / "other"
        run_training(config(data, "epochs=1", "seed=3"), RunSite(data, other, "cpu"))
        kept = contents(output)
        with pytest.raises(CommandError, match=r"did not start from '.*': go on with it without --init"):
            run_training(config(data, "epochs=1"), RunSite(data, output, "cpu", start=other / "last.ckpt"))
        assert contents(output) == kept


class TestBestWeightsWithoutTheNewestState:
    REFUSED = (
        r"^Folder '.*run' holds best\.ckpt of a run but not its last\.ckpt, so that it cannot go on and would be "
        r"replaced: give another folder, or move best\.ckpt away\.$"
    )

    @pytest.fixture
    def kept(self, finished, tmp_path) -> Path:
        """The best weights of a run of one epoch alone."""
        output = tmp_path / "run"
        output.mkdir()
        shutil.copy(finished / "best.ckpt", output)
        return output

    def refused(self, output: Path, words: str, settings: TrainingConfig, site: RunSite) -> None:
        before = contents(output)
        with pytest.raises(CommandError, match=words):
            run_training(settings, site)
        assert contents(output) == before

    def test_they_are_not_replaced_by_those_of_a_run_with_other_options(self, data, kept):
        self.refused(kept, self.REFUSED, config(data, "epochs=2"), RunSite(data, kept, "cpu"))

    def test_they_are_not_replaced_where_more_than_the_first_epoch_made_them(self, data, kept):
        later = torch.load(kept / "best.ckpt", weights_only=True)
        torch.save({**later, "epoch": 1}, kept / "best.ckpt")
        self.refused(kept, self.REFUSED, config(data, "epochs=1"), RunSite(data, kept, "cpu"))

    def test_they_are_not_replaced_by_those_of_a_run_from_other_weights(self, data, kept, finished):
        site = RunSite(data, kept, "cpu", start=finished / "best.ckpt")
        self.refused(kept, self.REFUSED, config(data, "epochs=1"), site)

    def test_they_are_not_replaced_where_they_cannot_be_read(self, data, kept):
        (kept / "best.ckpt").write_bytes(b"damaged")
        self.refused(kept, self.REFUSED, config(data, "epochs=1"), RunSite(data, kept, "cpu"))

    def test_a_run_does_not_start_from_what_it_would_replace(self, data, kept):
        site = RunSite(data, kept, "cpu", start=kept / "best.ckpt")
        words = r"^Checkpoint '.*best\.ckpt' would be replaced by the run that starts from it: give another --output\.$"
        self.refused(kept, words, config(data, "epochs=1"), site)

    def test_a_run_that_ended_in_its_first_epoch_begins_again(self, data, kept, finished):
        run_training(config(data, "epochs=1"), RunSite(data, kept, "cpu"))
        one, other = (load_trained(folder / "best.ckpt").network.state_dict() for folder in (kept, finished))
        assert all(torch.equal(one[name], tensor) for name, tensor in other.items())


def test_a_run_that_had_options_of_another_version_is_refused(data, finished, tmp_path):
    output = tmp_path / "run"
    shutil.copytree(finished, output)
    newest = torch.load(output / "last.ckpt", weights_only=False)
    newest["hyper_parameters"]["config"]["optimiser"]["momentum"] = 0.9
    torch.save(newest, output / "last.ckpt")
    with pytest.raises(CommandError, match=r"holds a run with options that this version does not take: give another"):
        run_training(config(data, "epochs=1"), RunSite(data, output, "cpu"))


class TestBatchesOfFewSlices:
    @pytest.mark.parametrize("slices", [1, 3])
    def test_slices_that_cannot_be_shared_out_are_refused_before_a_run_begins(self, data, tmp_path, slices):
        with pytest.raises(CommandError, match=f"batch of {slices}, all slices of the run, cannot be shared out"):
            run_training(config(data, f"limit={slices}"), RunSite(data, tmp_path / "run", "cpu", devices=2))
        assert not (tmp_path / "run").exists()
