"""`make fuzz` works: a few cases of each kind, as CI has no time for more."""

from __future__ import annotations

import re
import subprocess
import sys

from shell import ROOT, environment


def test_a_round_of_each_kind_finds_nothing(tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "Testing" / "fuzz_readers.py", "--rounds", "30", "--cases", "3"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**environment(), "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^30 rounds of up to 3 cases, 0 findings\.$", done.stdout, flags=re.MULTILINE), done.stdout
