"""Grading a course: honest, wrong, broken and hostile submissions in one sandboxed run."""

import json
import os
import socket
import tempfile
import threading
import time
import types

import pytest
from grade_tools import (
    HERE,
    SMALL_SET,
    children,
    grade,
    need_bubblewrap,
    notebook,
    read_csv,
    roster,
)
from hostile import HOSTILE, ROSTER_SECRET, source_of
from small_set import GOOD, GOOD_DECODED, GOOD_KL, GOOD_LOSS, HONEST, QUESTIONS

ALL = sum(question.points for question in QUESTIONS)
SECONDS = 4
HALF_KL = GOOD_KL.replace("0.5 * ", "")
STUDENTS = {
    "good": "Ada",
    "wrong": "=HYPERLINK(1)",
    "own": "Emmy",
    "missing": "Carl",
    "twice": "Sofia",
    "spoiled": "Évariste",
    "Case_1": ROSTER_SECRET,
    "77": "Niels",
    "stub": "Kurt",
}


def put(folder, name, *cells):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(notebook(*cells), encoding="utf-8")
    return path


def honest_submissions(folder):
    put(folder, "good.ipynb", "%matplotlib inline\n!pip install x", *GOOD, "1 / 0", *HONEST)
    put(folder, "wrong.ipynb", HALF_KL, GOOD_LOSS, GOOD_DECODED)
    put(folder, "own.ipynb", HALF_KL, GOOD_LOSS.replace("gaussian_kl", "2 + gaussian_kl"))
    put(folder, "twice.ipynb", GOOD_KL)
    newest = put(folder, "twice_again.ipynb", *GOOD)
    os.utime(folder / "twice.ipynb", (1, 1))
    os.utime(newest, (2, 2))
    put(folder, "CASE_1/homework/work.ipynb", GOOD_KL)
    put(folder, "bohr_77_4711_77-final.ipynb", GOOD_DECODED)
    put(folder, "stub.ipynb", GOOD_KL.split("    return")[0] + "    raise NotImplementedError")
    put(folder, "nobody.ipynb", GOOD_DECODED)
    put(folder, "spoiled.ipynb", "def gaussian_kl(mu, logvar):\n    return (mu", GOOD_DECODED)


def broken_submissions(folder):
    """Each gets a row and 0 points; returns {file: a part of its remark}."""
    (folder / "empty.ipynb").write_bytes(b"")
    (folder / "torn.ipynb").write_text(notebook(*GOOD)[:-9])
    (folder / "list.ipynb").write_text("[1, 2]")
    (folder / "utf16.ipynb").write_bytes(notebook(*GOOD).encode("utf-16"))
    (folder / "latin.ipynb").write_bytes(notebook("é = 1").replace("\\u00e9", "é").encode("latin1"))
    (folder / "bomb.ipynb").write_text('{"cells": ' + "[" * 1_000_000)
    (folder / "script.py").write_text("\n".join(GOOD))
    (folder / "report.pdf").write_bytes(b"%PDF")
    (folder / "folder").mkdir()
    (folder / "folder.ipynb").mkdir()
    (folder / "link.ipynb").symlink_to(folder / "good.ipynb")
    (folder / "linked").symlink_to(folder)
    os.mkfifo(folder / "pipe.ipynb")
    with open(folder / "large.ipynb", "wb") as file:
        file.truncate(21 << 20)
    put(folder, "code.ipynb", "x = 1\n" * 100_000)
    (folder / ".DS_Store").write_bytes(b"clutter")
    return {
        "empty.ipynb": "is empty",
        "torn.ipynb": "not a notebook",
        "list.ipynb": "not a notebook",
        "utf16.ipynb": "UTF-8",
        "latin.ipynb": "UTF-8",
        "bomb.ipynb": "not a notebook",
        "script.py": "a .py file",
        "report.pdf": "a .pdf file",
        "folder": "holds no notebook",
        "folder.ipynb": "holds no notebook",
        "link.ipynb": "link",
        "linked": "link",
        "pipe.ipynb": "no regular file",
        "large.ipynb": "larger than 20 MB",
        "code.ipynb": "500,000 characters",
    }


def hostile_submissions(folder, places):
    """Attacks that leave their process whole share a notebook, between two honest answers."""
    shared = [source_of(attack, places) for attack in HOSTILE if not attack.alone]
    put(folder, "hostile_shared.ipynb", *shared, GOOD_KL, GOOD_DECODED)
    for attack in HOSTILE:
        if attack.alone:
            put(folder, f"hostile-{attack.name}.ipynb", source_of(attack, places))


def listen(heard):
    server = socket.create_server(("127.0.0.1", 0))

    def accept():
        while True:
            try:
                heard.append(server.accept())
            except OSError:
                return

    threading.Thread(target=accept, daemon=True).start()
    return server


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """The one run that most tests look at."""
    need_bubblewrap()
    base = tmp_path_factory.mktemp("course")
    folder, outside = base / "submissions", base / "outside"
    folder.mkdir()
    outside.mkdir()
    people = roster(base / "roster.csv", STUDENTS)
    heard = []
    server = listen(heard)
    places = {"OUTSIDE": outside, "SUBMISSIONS": folder, "ROSTER": people}
    places |= {"ROOT": HERE.parents[1], "PORT": server.getsockname()[1]}
    honest_submissions(folder)
    faults = broken_submissions(folder)
    hostile_submissions(folder, places)
    kits = tmp_path_factory.mktemp("kits")
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr(tempfile, "tempdir", str(kits))
    reference = base / "reference.ipynb"
    reference.write_text(notebook(*GOOD, *HONEST))
    out = base / "grades.csv"
    began = time.monotonic()
    status, said = grade(
        SMALL_SET, folder, "--roster", people, "--out", out, "--reference", reference,
        "--seconds", SECONDS, "--gradescope", base / "gradescope",
    )  # fmt: skip
    assert status == 0, said
    seconds = time.monotonic() - began
    server.close()
    monkeypatch.undo()
    left = [*children(kits), *kits.iterdir()]
    rows = read_csv(out)
    return types.SimpleNamespace(
        base=base, rows=rows, faults=faults, heard=heard, left=left, said=said, seconds=seconds,
        outside=outside, folder=folder, by_file={row["file"]: row for row in rows},
    )  # fmt: skip


def test_the_reference_and_its_like_earn_full_marks(course):
    row = course.by_file["good.ipynb"]
    assert (int(row["total"]), int(row["out of"]), row["remark"]) == (ALL, ALL, "")


@pytest.mark.parametrize("attack", HOSTILE, ids=lambda attack: attack.name)
def test_an_attack_earns_nothing(course, attack):
    file = f"hostile-{attack.name}.ipynb" if attack.alone else "hostile_shared.ipynb"
    row = course.by_file[file]
    assert row[f"attack-{attack.name}"] == "0"
    assert attack.alone is False or row["total"] == "0"
    told = dict(part.split(": ", 1) for part in row["remark"].split(" | ")[1:])
    said = told[f"attack-{attack.name}"]
    hints = (attack.hint,) if isinstance(attack.hint, str) else attack.hint
    assert any(hint in said for hint in hints), said


def test_attacks_do_not_cost_the_honest_answers_beside_them(course):
    row = course.by_file["hostile_shared.ipynb"]
    assert (row["small-kl"], row["small-decoded"], row["total"]) == ("3", "1", "4")


def test_attacks_leave_nothing_behind(course):
    assert course.left == []
    assert list(course.outside.iterdir()) == []
    assert course.heard == []
    assert not [path for path in course.folder.rglob("*") if "was-here" in path.name]
    places = [HERE.parents[1], *map(type(course.base), ("/", "/usr", "/root", "/dev", "/var/tmp"))]
    assert not [p for p in places if os.access(p, os.R_OK) and (p / "hostile-was-here").exists()]
    written = {path.name for path in course.base.iterdir()}
    known = {"submissions", "outside", "roster.csv", "reference.ipynb", "grades.csv", "gradescope"}
    assert written == known


def test_no_answer_sees_the_roster_or_the_machine(course):
    told = json.dumps([row["remark"] for row in course.rows])
    assert ROSTER_SECRET not in told and "root:" not in told


def test_time_is_bounded(course):
    """Every attack that hangs may take the time of its question, and all start a child or two."""
    hanging = sum("longer" in row["remark"] for row in course.rows)
    assert hanging >= 3
    assert course.seconds < 6 * SECONDS * len(course.rows)


def test_totals_add_up(course):
    names = [question.name for question in QUESTIONS]
    for row in course.rows:
        if row["total"] != "":
            assert int(row["total"]) == sum(int(row[name]) for name in names)
            assert int(row["out of"]) == ALL


def test_every_student_has_one_row_in_the_order_of_the_roster(course):
    assert [row["student"] for row in course.rows if row["student"]] == list(STUDENTS)
    names = [row["name"] for row in course.rows[: len(STUDENTS)]]
    assert names == [n if n[0] != "=" else f"'{n}" for n in STUDENTS.values()]
    (missing,) = (row for row in course.rows if row["student"] == "missing")
    assert (missing["total"], missing["remark"]) == ("0", "nothing was handed in")


def test_every_submission_has_a_row(course):
    files = [row["file"] for row in course.rows if row["file"]]
    assert len(files) == len(set(files))
    held = {path.name for path in course.folder.iterdir()} - {".DS_Store", "CASE_1"}
    assert set(files) == held | {"CASE_1/homework/work.ipynb"}


def test_broken_submissions_are_told_what_is_wrong(course):
    for file, part in course.faults.items():
        row = course.by_file[file]
        assert row["total"] == "0" and part in row["remark"], (file, row["remark"])


def test_ids_are_found_in_names_of_files_and_folders(course):
    assert course.by_file["CASE_1/homework/work.ipynb"]["student"] == "Case_1"
    assert course.by_file["bohr_77_4711_77-final.ipynb"]["student"] == "77"
    row = course.by_file["nobody.ipynb"]
    assert (row["student"], row["small-decoded"]) == ("", "1")
    assert row["remark"].startswith("its name holds no id of the roster")


def test_of_two_submissions_the_last_one_counts(course):
    counted, other = course.by_file["twice_again.ipynb"], course.by_file["twice.ipynb"]
    assert (counted["student"], counted["small-loss"]) == ("twice", "3")
    assert "not marked: twice.ipynb" in counted["remark"]
    assert (other["student"], other["total"], other["small-kl"]) == ("", "", "")
    assert "twice_again.ipynb of the same student twice counts" in other["remark"]


def test_an_earlier_mistake_costs_one_question(course):
    row = course.by_file["wrong.ipynb"]
    assert (row["small-kl"], row["small-loss"], row["small-decoded"]) == ("0", "3", "1")
    assert "small-kl: the KL: the half is missing" in row["remark"]
    assert "small-loss: marked with the reference in place of your gaussian_kl" in row["remark"]


def test_a_mistake_of_its_own_is_not_repaired(course):
    row = course.by_file["own.ipynb"]
    assert (row["small-kl"], row["small-loss"]) == ("0", "0")
    assert "reference in place" not in row["remark"].split("small-loss")[1].split(" | ")[0]


def test_what_is_not_there_is_named(course):
    assert "small-kl: not written yet" in course.by_file["stub.ipynb"]["remark"]
    assert "small-loss: the notebook defines no `loss`" in course.by_file["stub.ipynb"]["remark"]
    row = course.by_file["spoiled.ipynb"]
    assert (row["small-kl"], row["small-decoded"]) == ("0", "1")
    assert "`gaussian_kl`: its cell has a syntax error in line 2" in row["remark"]


TOP = {"score", "execution_time", "output", "output_format", "test_output_format"}
TOP |= {"test_name_format", "visibility", "stdout_visibility", "extra_data", "tests", "leaderboard"}
TEST = {"score", "max_score", "status", "name", "name_format", "number", "output"}
TEST |= {"output_format", "tags", "visibility", "extra_data"}
VISIBLE = {"hidden", "after_due_date", "after_published", "visible"}
FORMATS = {"text", "html", "simple_format", "md", "ansi"}


def test_gradescope_files_follow_the_format(course):
    files = sorted((course.base / "gradescope").iterdir())
    counted = [row for row in course.rows if row["file"] and row["total"] != ""]
    assert len(files) == len(counted)
    totals = []
    for path in files:
        data = json.loads(path.read_text())
        assert set(data) <= TOP and data["stdout_visibility"] in VISIBLE
        assert isinstance(data["output"], str) and data["output_format"] in FORMATS
        for test in data["tests"]:
            assert set(test) <= TEST and isinstance(test["name"], str)
            assert 0 <= test["score"] <= test["max_score"]
            assert test["status"] == ("passed" if test["score"] else "failed")
            assert test["visibility"] in VISIBLE and test["output_format"] in FORMATS
        totals.append(sum(test["score"] for test in data["tests"]))
    assert sorted(totals) == sorted(int(row["total"]) for row in counted)
