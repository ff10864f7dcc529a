"""The grading command: what it refuses, what it does when stopped, hidden and library questions."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from grade_tools import (
    HERE,
    children,
    grade,
    need_bubblewrap,
    notebook,
    read_csv,
    roster,
)

from vae_lib.grade import bubblewrap, grading

RIGHT = "import torch\ndef double(x): return 2 * x"
QUESTIONS = """
import torch
from vae_lib.checks.engine import Question, values

LIBRARY = {library}

def draw(generator):
    return (torch.randn(3, generator=generator),)

check = values("{title}", draw, lambda x: 2 * x)
QUESTIONS = (Question("{name}", "double", 1, (check,)),)
"""


@pytest.fixture(autouse=True)
def kits(tmp_path_factory, monkeypatch):
    """Where the sandboxes of one test lie, so that its children can be told from others."""
    folder = tmp_path_factory.mktemp("kits")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture
def course(tmp_path):
    """A course of one question: its arguments for the command, and its folder of submissions."""
    return make_course(tmp_path)


def make_course(base, library=False):
    (base / "submissions").mkdir()
    questions = QUESTIONS.format(library=library, title="twice x", name="open-double")
    (base / "double.py").write_text(questions)
    (base / "reference.ipynb").write_text(notebook(RIGHT))
    roster(base / "roster.csv", {"a": "Ada", "b": "Bob", "c": "Cy"})
    return [
        base / "double.py", base / "submissions", "--roster", base / "roster.csv",
        "--out", base / "grades.csv", "--reference", base / "reference.ipynb",
    ]  # fmt: skip


def submit(base, **cells):
    for student, cell in cells.items():
        (base / "submissions" / f"{student}.ipynb").write_text(notebook(cell))


def left_over(base):
    known = {"submissions", "double.py", "reference.ipynb", "roster.csv"}
    return {path.name for path in base.iterdir()} - known


def test_it_refuses_without_bubblewrap(course, tmp_path, monkeypatch):
    monkeypatch.setattr(bubblewrap.shutil, "which", lambda name: None)
    status, said = grade(*course)
    assert status == 3 and len(said.splitlines()) == 1
    for part in ("bubblewrap is not installed", "apt-get install bubblewrap", "--unsandboxed"):
        assert part in said
    assert left_over(tmp_path) == set()


@pytest.mark.parametrize("script", ["echo 'bwrap: No permission' >&2; exit 1", "exit 1"])
def test_it_refuses_where_bubblewrap_does_not_work(course, tmp_path, monkeypatch, script):
    fake = tmp_path / "submissions" / "bwrap"
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    monkeypatch.setattr(bubblewrap.shutil, "which", lambda name: str(fake))
    status, said = grade(*course)
    assert status == 3 and len(said.splitlines()) == 1 and "does not work here (" in said
    assert "apt-get install bubblewrap" in said and left_over(tmp_path) == set()


def test_it_refuses_what_cannot_be_used(course, tmp_path):
    for change in (
        {0: "set_z"}, {1: tmp_path / "none"}, {3: tmp_path / "none.csv"},
        {5: tmp_path / "none" / "grades.csv"}, {7: tmp_path / "none.ipynb"},
    ):  # fmt: skip
        arguments = [change.get(number, part) for number, part in enumerate(course)]
        status, said = grade(*arguments)
        assert status == 2 and said.startswith("error: ") and len(said.splitlines()) == 1
    status, said = grade(*course, "--gradescope", tmp_path / "results.json")
    assert status == 2 and "is for 1 submission, not for 0" in said
    assert left_over(tmp_path) == set()


def test_a_reference_that_loses_points_stops_everything(course, tmp_path):
    need_bubblewrap()
    (tmp_path / "reference.ipynb").write_text(notebook(RIGHT.replace("2 *", "3 *")))
    submit(tmp_path, a=RIGHT)
    status, said = grade(*course)
    assert status == 4 and len(said.splitlines()) == 1
    assert "earns 0 of 1 points, so nothing is graded: open-double: it is 1.5 times" in said
    assert left_over(tmp_path) == set()


def test_hidden_questions_are_columns_of_their_own(course, tmp_path):
    need_bubblewrap()
    private = tmp_path / "private"
    private.mkdir()
    hidden = QUESTIONS.format(library=False, title="again", name="hidden-double")
    (private / "double.py").write_text(hidden)
    submit(tmp_path, b=RIGHT)
    results = tmp_path / "results.json"
    more = ("--private", private, "--seed", 7, "--gradescope", results)
    status, said = grade(*course, *more)
    assert status == 0, said
    row = {row["student"]: row for row in read_csv(tmp_path / "grades.csv")}["b"]
    assert (row["open-double"], row["hidden-double"], row["total"]) == ("1", "1", "2")
    assert results.read_text().count('"hidden"') == 2  # one test, and the grader's own output
    same = QUESTIONS.format(library=False, title="again", name="open-double")
    (private / "double.py").write_text(same)
    status, said = grade(*course, *more)
    assert status == 2 and "two questions have the name open-double" in said


def test_the_library_is_there_without_checks_and_grader(tmp_path):
    need_bubblewrap()
    course = make_course(tmp_path, library=True)
    spies = (
        "def double(x):\n    import os, vae_lib\n    folder = os.path.dirname(vae_lib.__file__)\n"
        "    raise ValueError([n for n in os.listdir(folder) if n in ('checks', 'grade')])"
    )
    uses = "import vae_lib as vl\ndef double(x):\n    return 2 * x + 0 * vl.gaussian_kl(x, x)"
    submit(tmp_path, a=uses.replace("(x, x)", "(x[None], x[None])"), b=spies)
    status, said = grade(*course)
    assert status == 0, said
    rows = {row["student"]: row for row in read_csv(tmp_path / "grades.csv")}
    assert rows["a"]["total"] == "1", rows["a"]["remark"]
    assert rows["b"]["remark"] == "it raised ValueError: []"


def test_unsandboxed_marks_the_same_with_a_warning(course, tmp_path, monkeypatch, kits):
    monkeypatch.setattr(bubblewrap.shutil, "which", lambda name: None)
    submit(tmp_path, a=RIGHT, b="import os\ndef double(x): os._exit(0)")
    status, said = grade(*course, "--unsandboxed")
    assert status == 0 and "warning: --unsandboxed" in said.splitlines()[0], said
    rows = {row["student"]: row for row in read_csv(tmp_path / "grades.csv")}
    assert [rows[s]["total"] for s in "abc"] == ["1", "0", "0"]
    assert "ended the process" in rows["b"]["remark"]
    assert children(kits) == []


def test_a_killed_run_leaves_nothing_half_written_and_goes_on(course, tmp_path, kits):
    """SIGKILL while the second answer loops: its child dies too, and its marks come later."""
    need_bubblewrap()
    submit(tmp_path, a=RIGHT, b="def double(x):\n    while True: pass")
    command = [sys.executable, "-m", "vae_lib.grade", *map(str, course), "--jobs", "1"]
    environment = os.environ | {"PYTHONPATH": str(HERE.parents[1])}
    run = subprocess.Popen(
        [*command, "--seconds", "1000"], stderr=subprocess.PIPE, text=True, env=environment
    )
    assert "1 of 2: a.ipynb" in run.stderr.readline()
    run.send_signal(signal.SIGKILL)
    run.wait()
    run.stderr.close()
    wait_until(lambda: not children(kits))
    assert left_over(tmp_path) == {"grades.csv.partial"}
    (tmp_path / "submissions" / "b.ipynb").write_text(notebook(RIGHT.replace("2", "1")))
    status, said = grade(*course, "--jobs", "1", "--seconds", "1000")
    assert status == 0, said
    assert "going on: 1 submissions are marked already" in said and "a.ipynb" not in said
    rows = {row["student"]: row for row in read_csv(tmp_path / "grades.csv")}
    assert [rows[s]["total"] for s in "abc"] == ["1", "0", "0"]
    assert left_over(tmp_path) == {"grades.csv"}


def wait_until(holds, seconds=20):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_interrupt_stops_every_child(course, tmp_path, monkeypatch, kits):
    need_bubblewrap()
    submit(tmp_path, a="def double(x):\n    while True: pass")
    prove = grading.prove

    def then_interrupt(*arguments):
        prove(*arguments)
        signal.setitimer(signal.ITIMER_REAL, 4)

    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    monkeypatch.setattr(grading, "prove", then_interrupt)
    try:
        status, said = grade(*course, "--seconds", "1000")
    finally:
        signal.signal(signal.SIGALRM, before)
    assert status == 130 and "interrupted" in said
    assert list(kits.iterdir()) == children(kits) == []
    assert left_over(tmp_path) == {"grades.csv.partial"}


def test_help_says_how_files_are_named_and_what_the_status_means(capsys):
    with pytest.raises(SystemExit):
        grade("--help")
    told = capsys.readouterr().out
    for part in ("student,name", "4711_anything.ipynb", "exit status", "goes on where it stopped"):
        assert part in told


def test_modules_are_short():
    for path in Path(grading.__file__).parent.glob("*.py"):
        assert len(path.read_text().splitlines()) < 200, path.name
