"""The help of `neural-diffusion`: complete, readable and quick."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from shell import environment, run
from typer.main import get_command

from NeuralDiffusionTraining.cli import app
from NeuralDiffusionTraining.networks.registry import NETWORKS
from NeuralDiffusionTraining.training.config import CONFIGS

COMMANDS = get_command(app).commands


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_explains_every_option(name):
    text = run(name, "--help").stdout

    for parameter in COMMANDS[name].params:
        if parameter.param_type_name == "option":
            assert parameter.opts[0] in text
        assert parameter.help, f"{name}: {parameter.name} is not explained"


# Commands that take several of them, fewer, or one for another purpose.
OTHERWISE = {
    "noise": {"sweep", "tune", "fidelity"},
    "iterations": {"sweep"},
    "neighbours": {"sweep", "evaluate"},
    "weights": {"adapt"},
}


@pytest.mark.parametrize(
    "option", ["noise", "iterations", "neighbours", "device", "weights", "csv_file", "own", "own_told", "template"]
)
def test_an_option_of_several_commands_is_explained_in_the_same_words(option):
    explained = {
        name: parameter.help
        for name, one in COMMANDS.items()
        for parameter in one.params
        if parameter.name == option and name not in OTHERWISE.get(option, ())
    }
    assert len(explained) > 1
    assert len(set(explained.values())) == 1, explained


def test_help_lists_every_command_also_when_nothing_is_asked_for():
    asked = run("--help")
    bare = run()

    assert asked.returncode == 0
    assert {"denoise", "train", "evaluate"} <= set(asked.stdout.split())
    assert {"denoise", "train", "evaluate"} <= set((bare.stdout + bare.stderr).split())


def test_help_lists_the_commands_by_what_they_are_for_and_begins_with_denoise():
    lines = [line.strip("│╭╰─╮╯ ") for line in run("--help").stdout.splitlines()]
    titles = [line for line in lines if line in ("Denoise", "Train", "Measure", "Report", "Commands")]
    assert titles == ["Denoise", "Train", "Measure", "Report"]
    assert lines[lines.index("Denoise") + 1].startswith("denoise ")


def test_the_networks_and_configurations_that_the_help_of_train_names_are_there():
    explained = {parameter.name: parameter.help for parameter in COMMANDS["train"].params}
    networks = re.search(r"such as (.*) \(an unknown name lists all\)", explained["network"])[1]
    configurations = re.search(r"by name: (.*)\.", explained["config"])[1]
    assert set(re.split(", | or ", networks)) <= set(NETWORKS)
    assert set(configurations.split(", ")) == {path.stem for path in CONFIGS.glob("*.yaml")}


def test_help_loads_none_of_the_heavy_libraries():
    script = (
        "import sys; from NeuralDiffusionTraining.cli import app; app(['denoise', '--help'], standalone_mode=False);"
        "heavy = {'torch', 'lightning', 'SimpleITK', 'nibabel', 'skimage', 'numpy'} & set(sys.modules);"
        "sys.exit(f'help loads {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment(), capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
