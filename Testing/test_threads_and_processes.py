"""Runs beside each other, one after the other and in other processes; runs that are stopped."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import slicer
from shell import ROOT, environment, head

from NeuralDiffusion import NeuralDiffusionLogic
from NeuralDiffusionLib import DenoiseCancelled, Denoiser, DenoiseSettings
from NeuralDiffusionLib.background import Worker
from NeuralDiffusionLib.engine import denoiser as engine

QUICK = DenoiseSettings(iterations=2)
MOST_GROWTH_KB = 4096
"""For 100 runs of a volume whose result alone is 60 kB: had each kept it, the growth would be 6 MB."""

RUNS = {
    "engine": "denoiser = Denoiser('cpu')\ndef run():\n    denoiser(volume, settings)\n",
    "scene": (
        "import slicer, slicer_host\n"
        "slicer_host.install()\n"
        "from NeuralDiffusion import NeuralDiffusionLogic\n"
        "logic = NeuralDiffusionLogic()\n"
        "scan = slicer.util.addVolumeFromArray(volume)\n"
        "output, conduction = (logic.addOutputVolume(scan) for _ in range(2))\n"
        "def run():\n"
        "    nodes = slicer.mrmlScene.GetNumberOfNodes()\n"
        "    logic.process(scan, output, conduction, settings, device='cpu')\n"
        "    assert count == 0 or slicer.mrmlScene.GetNumberOfNodes() == nodes\n"
    ),
    "batch": (
        "import pathlib, tempfile, SimpleITK\n"
        "from NeuralDiffusionLib.engine.weights import BUNDLED_WEIGHTS, load_weights\n"
        "from NeuralDiffusionTraining.cohort.record import Order\n"
        "from NeuralDiffusionTraining.cohort.scans import find_cohort\n"
        "from NeuralDiffusionTraining.cohort.task import ScanTask, run_task\n"
        "folder = pathlib.Path(tempfile.mkdtemp())\n"
        "SimpleITK.WriteImage(SimpleITK.GetImageFromArray(volume), str(folder / 'scan.nrrd'))\n"
        "(scan,) = find_cohort(str(folder / '*.nrrd'), folder / 'clean').scans\n"
        "order = Order(settings, False, 'cpu', None, load_weights(BUNDLED_WEIGHTS).sha256, 'run')\n"
        "def run():\n"
        "    scan.output.unlink(missing_ok=True)\n"
        "    assert run_task(ScanTask(scan, order)).state == 'denoised'\n"
    ),
}
"""How a run is done, by path, in lines of Python."""


@pytest.fixture
def one_slice_each(monkeypatch):
    monkeypatch.setattr(engine, "batch_size", lambda *_: 1)


def python(program, **variables):
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**environment(), **variables},
        # Where the host of the module is.
        cwd=ROOT / "Testing",
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class TestThreads:
    @pytest.mark.parametrize("precision", ["fast", "float32"])
    @pytest.mark.parametrize("shared", [False, True])
    def test_two_at_once_give_what_each_gives_alone(self, shared, precision):
        first = Denoiser("cpu", precision=precision)
        second = first if shared else Denoiser("cpu", precision=precision)
        volumes = [head(np.float32, (4, 40, 30), level) for level in (20, 60)]
        alone = [first(volume).image for volume in volumes]
        with ThreadPoolExecutor(2) as pool:
            for _ in range(3):
                jobs = [pool.submit(one, volume) for one, volume in zip((first, second), volumes, strict=True)]
                for job, image in zip(jobs, alone, strict=True):
                    np.testing.assert_array_equal(job.result().image, image)

    @pytest.mark.parametrize("signal", [SystemExit, KeyboardInterrupt])
    def test_a_thread_that_is_killed_ends_its_job_in_a_sentence_and_the_next_one_runs(self, signal, one_slice_each):
        denoiser, worker, started = Denoiser("cpu", precision="float32"), Worker(), threading.Event()
        thread = []

        def work(report, cancelled):
            thread.append(threading.get_ident())
            started.set()
            # Long enough to be hit in the middle.
            return denoiser(head(np.float32, (4000, 24, 20)), DenoiseSettings(), report, cancelled)

        job = worker.start(work)
        started.wait()
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread[0]), ctypes.py_object(signal))
        with pytest.raises(RuntimeError, match=rf"stopped from outside \({signal.__name__}\): start it again"):
            job.result()
        image = worker.start(lambda report, cancelled: denoiser(head(), QUICK, report, cancelled)).result().image
        np.testing.assert_array_equal(image, denoiser(head(), QUICK).image)
        worker.close()

    @pytest.mark.parametrize("signal", [SystemExit, KeyboardInterrupt])
    def test_in_the_module_a_killed_thread_changes_nothing_and_the_next_run_is_whole(
        self, one_slice_each, add_volume, state, signal, monkeypatch
    ):
        logic, long, short = NeuralDiffusionLogic(), add_volume(head(np.int16, (2000, 24, 20))), add_volume()
        logic.process(short, logic.addOutputVolume(short), None, QUICK, device="cpu")
        before, threads, begun = state(), [], threading.Event()
        each_batch = Denoiser.each_batch

        def watched(*arguments):
            threads.append(threading.get_ident())
            begun.set()
            return each_batch(*arguments)

        monkeypatch.setattr(Denoiser, "each_batch", watched)
        run = logic.start(long, device="cpu")
        begun.wait()
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(threads[0]), ctypes.py_object(signal))
        with pytest.raises(RuntimeError, match=rf"stopped from outside \({signal.__name__}\): start it again"):
            run.store()
        assert state() == before
        result, output = logic.start(short, settings=QUICK, device="cpu").store()
        assert output.GetImageData().GetDimensions() == short.GetImageData().GetDimensions()
        whole = Denoiser("cpu")(slicer.util.arrayFromVolume(short), replace(QUICK, across_slices=True))
        np.testing.assert_array_equal(result.image, whole.image)
        logic.close()

    @pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux tells the threads of a process in /proc.")
    def test_reading_the_weights_leaves_the_main_thread_no_helpers_that_would_slow_the_runs(self):
        helpers = python(
            "import os, time\n"
            "import slicer_host\n"
            "slicer_host.install()\n"
            "from NeuralDiffusion import NeuralDiffusionLogic\n"
            "from NeuralDiffusionLib import Denoiser\n"
            "def threads():\n"
            "    return len(os.listdir('/proc/self/task'))\n"
            "logic, before = NeuralDiffusionLogic(), threads()\n"
            "logic.denoiser('cpu')\n"
            "until = time.monotonic() + 10\n"
            "while threads() > before and time.monotonic() < until:\n"
            "    time.sleep(0.01)\n"
            "print(threads() - before)\n",
            OMP_NUM_THREADS="4",
        )
        assert int(helpers) == 0


class TestCancelling:
    @pytest.mark.parametrize("batch", range(7))
    def test_at_each_batch_it_stops_there_and_the_next_run_is_whole(self, one_slice_each, batch):
        denoiser, volume = Denoiser("cpu", precision="float32"), head()
        expected = denoiser(volume, QUICK).image
        asked, done = [], []

        def cancelled():
            asked.append(True)
            return len(asked) > batch

        def run():
            return denoiser(volume, QUICK, lambda count, total: done.append(count), cancelled)

        if batch == len(volume):
            assert run().image.shape == volume.shape
        else:
            with pytest.raises(DenoiseCancelled, match=f"after {batch} of {len(volume)} slices"):
                run()
        assert done == list(range(1, batch + 1))
        np.testing.assert_array_equal(denoiser(volume, QUICK).image, expected)

    @pytest.mark.parametrize("batch", range(3))
    def test_in_the_module_the_scene_stays_as_it_was(self, one_slice_each, scene, add_volume, state, batch):
        logic, volume = NeuralDiffusionLogic(), add_volume()
        output, conduction = logic.addOutputVolume(volume), logic.addOutputVolume(volume)
        before, asked = state(), []

        def cancelled():
            asked.append(True)
            return len(asked) > batch

        with pytest.raises(DenoiseCancelled):
            logic.process(volume, output, conduction, QUICK, cancelled=cancelled)
        assert state() == before
        logic.process(volume, output, conduction, QUICK)
        assert output.GetImageData() is not None


class TestProcesses:
    @pytest.mark.parametrize("precision", ["fast", "float32"])
    def test_every_process_gives_the_same_bits_with_several_threads(self, precision):
        program = (
            "import hashlib, numpy, torch\n"
            "from NeuralDiffusionLib import Denoiser\n"
            "torch.set_num_threads(2)\n"
            "volume = 100 * numpy.random.default_rng(0).random((3, 256, 250), numpy.float32)\n"
            f"result = Denoiser('cpu', precision={precision!r})(volume)\n"
            "for part in (result.image, result.conduction, result.slice_sigma):\n"
            "    print(hashlib.sha256(part.tobytes()).hexdigest())\n"
        )
        first, second = (python(program, OMP_NUM_THREADS="2") for _ in range(2))
        assert first == second

    @pytest.mark.parametrize("method", ["fork", "spawn"])
    def test_a_child_gives_what_its_parent_gives_though_that_has_threads(self, tmp_path, method):
        (tmp_path / "work.py").write_text(
            "import multiprocessing, numpy, sys, torch\n"
            "from NeuralDiffusionLib import Denoiser, DenoiseSettings\n"
            "def image(_):\n"
            "    volume = 100 * numpy.random.default_rng(0).random((4, 64, 64), numpy.float32)\n"
            "    return Denoiser('cpu', precision='float32')(volume, DenoiseSettings(iterations=2)).image\n"
            "if __name__ == '__main__':\n"
            "    torch.set_num_threads(2)\n"
            "    own = image(0)\n"
            "    with multiprocessing.get_context(sys.argv[1]).Pool(1) as pool:\n"
            "        theirs = pool.map_async(image, [0]).get(60)[0]\n"
            "    print(abs(theirs - own).max())\n"
        )
        done = subprocess.run(
            [sys.executable, tmp_path / "work.py", method],
            capture_output=True,
            text=True,
            env={**environment(), "OMP_NUM_THREADS": "2"},
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        assert float(done.stdout) < 1e-3

    @pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux tells the memory of a process in /proc.")
    @pytest.mark.parametrize("path", RUNS)
    def test_a_hundred_runs_do_not_make_the_process_grow(self, path):
        growth, files_left_open = python(
            "import numpy, os, re\n"
            "from NeuralDiffusionLib import Denoiser, DenoiseSettings\n"
            "def resident():\n"
            "    return int(re.search(r'VmRSS:\\s*(\\d+)', open('/proc/self/status').read())[1])\n"
            "volume = numpy.random.default_rng(0).random((6, 48, 52), numpy.float32)\n"
            "settings = DenoiseSettings(iterations=2)\n"
            f"{RUNS[path]}"
            "for count in range(120):\n"
            "    run()\n"
            "    if count == 19:\n"
            "        before, files = resident(), len(os.listdir('/proc/self/fd'))\n"
            "print(resident() - before, len(os.listdir('/proc/self/fd')) - files)\n",
            OMP_NUM_THREADS="1",
        ).split()
        assert int(growth) < MOST_GROWTH_KB
        assert int(files_left_open) == 0


def test_a_preview_and_a_run_that_begins_meanwhile_load_the_weights_once():
    logic = NeuralDiffusionLogic()
    with ThreadPoolExecutor(max_workers=2) as pool:
        first, second = pool.map(logic.denoiser, ["cpu", "cpu"])
    assert first is second
