"""Ruff over code and notebooks, and no file that names one machine."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MACHINE_PATH = re.compile(r"(?<![\w.$}])/(?:home|Users)/\w+/|(?<![\w.$}])/(?:root|work)/\w")
TEXT = {".py", ".md", ".ipynb", ".toml", ".yml", ".cff", ".txt", ".json", ".css", ".js", ".svg", ""}


def ruff(*arguments):
    command = [sys.executable, "-m", "ruff", *arguments, "."]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_ruff_check():
    result = ruff("check")
    assert result.returncode == 0, result.stdout + result.stderr


def test_ruff_format():
    result = ruff("format", "--check")
    assert result.returncode == 0, result.stdout + result.stderr + "\nrun `ruff format`"


def machine_paths(root):
    """'file:line: text' for each path of one machine in the files that git holds or would hold."""
    command = ["git", "ls-files", "-z", "-co", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git clone: the list of the repository's files is not known")
    found = []
    for name in filter(None, listed.stdout.split("\0")):
        path = Path(root) / name
        if path.suffix not in TEXT or not path.is_file():
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if MACHINE_PATH.search(line) and "image/png" not in line:
                found.append(f"{name}:{number}: {line.strip()[:80]}")
    return found


def test_no_file_names_one_machine():
    assert machine_paths(ROOT) == []


def test_a_machine_path_is_seen(tmp_path):
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (tmp_path / "notes.md").write_text("data lie in /" + "home/reader/data\n")
    (tmp_path / "fine.md").write_text("see https://example.org/home/reader/data\n")
    assert [line.split(":")[0] for line in machine_paths(tmp_path)] == ["notes.md"]
