"""What the Extensions Index, GitHub and a reader who wants to cite the work find."""

from __future__ import annotations

import ast
import json
import re
import runpy
import subprocess

import numpy as np
import pytest
import yaml
from PIL import Image
from shell import ROOT

from NeuralDiffusionLib import __version__

ENTRY = ROOT / "Resources" / "ExtensionsIndex" / "NeuralDiffusion.json"
ICON = ROOT / "NeuralDiffusion" / "Resources" / "Icons" / "NeuralDiffusion.png"
WORKFLOWS = ROOT / ".github" / "workflows"
LARGEST_CHECKOUT = 100 * 2**20

# The index's schema 1.0.1: the type of each field; it allows no others.
FIELDS = {
    "$schema": str,
    "build_dependencies": list,
    "build_subdirectory": str,
    "category": str,
    "enabled": bool,
    "scm_revision": str,
    "scm_type": str,
    "scm_url": str,
    "tier": int,
}
REQUIRED = {"$schema", "category", "scm_url"}


def cmake_value(name):
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    return re.search(rf'^set\(EXTENSION_{name} "([^"]+)"\)$', text, flags=re.MULTILINE)[1]


class TestIndexEntry:
    @pytest.fixture
    def entry(self):
        return json.loads(ENTRY.read_text(encoding="utf-8"))

    def test_it_has_the_fields_of_the_schema_and_no_others(self, entry):
        assert set(entry) >= REQUIRED
        for name, value in entry.items():
            assert type(value) is FIELDS[name], name
        assert all(isinstance(dependency, str) for dependency in entry["build_dependencies"])
        assert 1 <= entry["tier"] <= 5
        assert re.fullmatch(
            r"https://raw\.githubusercontent\.com/Slicer/Slicer/main/Schemas/"
            r"slicer-extension-catalog-entry-schema-v1\.0\.1\.json#",
            entry["$schema"],
        )

    def test_it_agrees_with_the_cmake_list(self, entry):
        text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
        assert re.search(r"project\(\s*(\w+)", text)[1] == ENTRY.stem
        assert entry["build_dependencies"] == cmake_value("DEPENDS").split()
        assert entry["scm_url"].removesuffix(".git") == cmake_value("HOMEPAGE")

    def test_the_repository_starts_with_slicer_and_the_extension_does_not(self, entry):
        assert re.fullmatch(r"https://github\.com/[\w-]+/Slicer\w+\.git", entry["scm_url"])
        assert not ENTRY.stem.lower().startswith("slicer")

    def test_the_category_is_one_that_the_index_accepts(self, entry):
        assert entry["category"] == "Filtering"

    def test_lines_end_as_the_index_wants_them(self):
        content = ENTRY.read_bytes()
        assert b"\r" not in content
        assert content.endswith(b"}\n")


class TestRepository:
    def test_a_checkout_is_small_enough_for_the_index(self):
        listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
        if listing.returncode:
            pytest.skip("not a git checkout")
        files = [ROOT / name for name in listing.stdout.splitlines()]
        assert sum(path.stat().st_size for path in files if path.is_file()) < LARGEST_CHECKOUT

    def test_the_module_opens_no_connection(self):
        network = {"ftplib", "http", "requests", "smtplib", "socket", "ssl", "urllib", "urllib3", "webbrowser"}
        for path in (ROOT / "NeuralDiffusion").rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
            names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
            assert not {name.split(".")[0] for name in names} & network, path

    def test_every_link_of_the_contributors_page_leads_to_a_file(self):
        text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
        links = re.findall(r"\]\(([^)]+)\)", text)
        assert len(links) > 10
        assert [link for link in links if not (ROOT / link).is_file()] == []

    @pytest.mark.parametrize("tier", [1, 3, 5])
    def test_every_requirement_of_a_tier_has_a_state(self, tier):
        text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
        section = text.split(f"### Tier {tier},")[1].split("\n###")[0]
        rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")][2:]
        assert len(rows) >= 3
        for _, state, where in rows:
            assert state.strip() in ("met", "partly", "not yet")
            assert where.strip()


class TestIcon:
    def test_it_is_what_the_script_draws(self):
        drawn = np.asarray(runpy.run_path(str(ROOT / "Resources" / "draw_icon.py"))["draw_icon"]())
        stored = np.asarray(Image.open(ICON))
        assert stored.shape == drawn.shape == (128, 128, 4)
        # Another version of the drawing library may round otherwise.
        np.testing.assert_allclose(stored.astype(int), drawn.astype(int), atol=2)


class TestCitation:
    @pytest.fixture
    def citation(self):
        return yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))

    def test_it_has_what_the_format_requires(self, citation):
        assert citation["cff-version"] == "1.2.0"
        for name in ("message", "title", "authors"):
            assert citation[name]

    def test_it_names_this_version_licence_and_place(self, citation):
        assert citation["version"] == __version__
        assert citation["license"] == "Apache-2.0"
        assert citation["repository-code"] == cmake_value("HOMEPAGE")
        assert [author["name"] for author in citation["authors"]] == [cmake_value("CONTRIBUTORS")]

    def test_it_cites_the_paper_of_the_equation(self, citation):
        (paper,) = citation["references"]
        assert [author["family-names"] for author in paper["authors"]] == ["Perona", "Malik"]
        assert paper["year"] == 1990


class TestWorkflows:
    def test_the_tests_run_by_the_command_of_the_readme(self):
        (job,) = yaml.safe_load((WORKFLOWS / "test.yml").read_text(encoding="utf-8"))["jobs"].values()
        assert job["strategy"]["matrix"]["python"] == ["3.10", "3.11", "3.12"]
        assert job["steps"][-1]["run"].startswith("make test")

    def test_the_self_test_runs_in_slicer_on_every_system_with_pytorch(self):
        (job,) = yaml.safe_load((WORKFLOWS / "slicer.yml").read_text(encoding="utf-8"))["jobs"].values()
        systems = [row["system"] for row in job["strategy"]["matrix"]["include"]]
        assert systems == ["Linux", "Windows", "macOS"]
        steps = "\n".join(step.get("run", "") for step in job["steps"])
        assert steps.index('installExtensionFromServer("PyTorch"') < steps.index("NeuralDiffusion.NeuralDiffusionTest")
        for script in re.findall(r"<<'END'\n(.*?)\nEND\n", steps, flags=re.DOTALL):
            ast.parse(script)

    def test_what_has_not_been_run_says_so(self):
        text = (WORKFLOWS / "slicer.yml").read_text(encoding="utf-8")
        assert "HAS NOT BEEN RUN YET" in text
