"""How long grading takes: 30 submissions of set A, right, wrong, hostile and broken.

    python experiments/benchmark_grading.py [--jobs 2] [--keep FOLDER]

The wrong answers are those planted by the tests, each in place of the reference's; an attack
stands in place of every answer.  Says the seconds, and stops where a mark is not the one that
is due.  --keep leaves the submissions, the roster and the table of marks to be read.
"""

import argparse
import csv
import json
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "coursework")]

from hostile import HOSTILE, source_of  # noqa: E402
from planted_set_a import PLANTED  # noqa: E402

from vae_lib.grade.__main__ import main as grade  # noqa: E402
from vae_lib.grade.exam import load_exam, reference_cells  # noqa: E402

N_SUBMISSIONS = 30
ATTACKS = (
    "infinite_loop", "fork_bomb", "memory_bomb", "exits_at_once", "patches_the_checker",
    "forges_replies", "tampers_with_modules", "reads_frames",
)  # fmt: skip


def notebook(cells):
    code = [{"cell_type": "code", "metadata": {}, "source": c, "outputs": []} for c in cells]
    return json.dumps({"cells": code, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def write_submissions(folder, exam):
    """Write them.  Returns {student: (fewest points, most points)} that are due."""
    right = reference_cells(exam)
    due, texts = {"s00": (exam.points,) * 2}, {"s00": notebook(right)}
    attacks = [attack for attack in HOSTILE if attack.name in ATTACKS]
    for attack in attacks:
        student = f"s{len(due):02}"
        due[student] = (0, 0)
        texts[student] = notebook([source_of(attack, {}), *wrappers(attack, exam)])
    due["s09"], texts["s09"] = (0, 0), texts["s00"][:-20]
    due["s10"], texts["s10"] = (0, 0), notebook(stubs(exam))
    step = len(PLANTED) / (N_SUBMISSIONS - len(due))
    for number in range(N_SUBMISSIONS - len(due)):
        planted = PLANTED[int(number * step)]
        student = f"s{len(due):02}"
        due[student] = (1, exam.points - 1)
        texts[student] = notebook([*right, planted.source])
    for student, text in texts.items():
        (folder / f"{student}.ipynb").write_text(text, encoding="utf-8")
    return due


def wrappers(attack, exam):
    """Cells that put the attack in place of every answer."""
    names = {question.function for question in exam.questions}
    return [f"def {name}(x, *more):\n    return {attack.name}(x)" for name in sorted(names)]


def stubs(exam):
    names = {question.function for question in exam.questions}
    return [f"def {name}(*args):\n    raise NotImplementedError" for name in sorted(names)]


def compare(rows, due):
    """Lines that say which marks are not as due."""
    faults = []
    for row in rows:
        fewest, most = due[row["student"]]
        if not fewest <= int(row["total"]) <= most:
            faults.append(f"{row['student']}: {row['total']} points; {fewest} to {most} are due")
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        base = given.keep or Path(place)
        folder = base / "submissions"
        folder.mkdir(parents=True)
        due = write_submissions(folder, load_exam("set_a"))
        lines = ["student,name", *(f"{student},Student {student}" for student in due)]
        (base / "roster.csv").write_text("\n".join(lines) + "\n")
        began = time.monotonic()
        status = grade(
            [
                "set_a",
                str(folder),
                f"--roster={base / 'roster.csv'}",
                f"--out={base / 'grades.csv'}",
                f"--gradescope={base / 'gradescope'}",
                f"--jobs={given.jobs}",
            ]
        )
        seconds = time.monotonic() - began
        if status:
            sys.exit(status)
        with open(base / "grades.csv", encoding="utf-8", newline="") as file:
            faults = compare(csv.DictReader(file), due)
    print(f"{len(due)} submissions of set A, {given.jobs} jobs: {seconds:.0f} s")
    sys.exit("\n".join(faults) or 0)


if __name__ == "__main__":
    main()
