"""A disk that is soon full, for the tests of what is written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest


def without_disk(reason: str) -> None:
    """Skip the test, saying why; under CI=true fail instead."""
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"A small disk cannot be mounted here: {reason}.")


@pytest.fixture
def small_disk(tmp_path):
    """An empty disk of its own, of 64 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    mount = [*sudo, "mount", "-t", "tmpfs", "-o", "size=64k,mode=777", "none", place]
    if not sys.platform.startswith("linux") or (sudo and shutil.which("sudo") is None):
        without_disk("only root can mount one, on Linux")
    done = subprocess.run(mount, capture_output=True, text=True)
    if done.returncode:
        without_disk(done.stderr.strip())
    yield place
    subprocess.run([*sudo, "umount", place], check=True)
