"""What grading writes: a CSV file with a row for everyone, and Gradescope's results.json."""

import contextlib
import csv
import io
import json
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .remote import clean

# A cell that begins so is a formula to a spreadsheet; whoever names a file may not write one.
FORMULA = tuple("=+-@＝＋－＠|%")


@dataclass(frozen=True)
class Row:
    """A line of the CSV file.  marks: `Mark`s, or None for a submission that does not count."""

    student: str
    name: str
    file: str
    marks: tuple | None
    remark: str = ""

    @property
    def total(self):
        return sum(mark.points for mark in self.marks)

    @property
    def remarks(self):
        """The remark on the submission, then the hints, each behind the name of its question."""
        hints = [f"{mark.question}: {mark.remark}" for mark in self.marks or () if mark.remark]
        if self.marks and len({mark.remark for mark in self.marks}) == 1:
            hints = [self.marks[0].remark] if self.marks[0].remark else []
        return " | ".join([*([self.remark] if self.remark else []), *hints])


def csv_text(rows, exam):
    """The table of marks: student, name, file, total, out of, a column a question, remark."""
    questions = [question.name for question in exam.questions]
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["student", "name", "file", "total", "out of", *questions, "remark"])
    for row in rows:
        points = [""] * (2 + len(questions))
        if row.marks is not None:
            points = [row.total, exam.points, *(mark.points for mark in row.marks)]
        texts = [cell(row.student), cell(row.name), cell(row.file)]
        table.writerow([*texts, *points, cell(row.remarks)])
    return out.getvalue()


def cell(text, most=4000):
    """A text on one line that no spreadsheet takes for a formula."""
    text = clean(text, most)
    return f"'{text}" if text.startswith(FORMULA) else text


def gradescope(row, exam):
    """The content of results.json for one submission.

    Its total is the sum of the tests.  Format:
    https://gradescope-autograders.readthedocs.io/en/latest/specs/#output-format
    """
    tests = []
    for mark in row.marks:
        for title, points, hint in mark.lines:
            test = {
                "name": f"{mark.question}: {title}",
                "score": 0 if hint else points,
                "max_score": points,
                "status": "failed" if hint else "passed",
                "output": hint or mark.note or "right",
                "output_format": "text",
                "visibility": "hidden" if mark.question in exam.hidden else "visible",
            }
            tests.append(test)
    said = clean(row.remark, 4000) or f"{exam.name}: {len(exam.questions)} questions"
    return {"output": said, "output_format": "text", "stdout_visibility": "hidden", "tests": tests}


def write_gradescope(rows, exam, target):
    """Write one results.json, or a file for each submission into a folder."""
    rows = [row for row in rows if row.file and row.marks is not None]
    if target.suffix == ".json":
        (row,) = rows
        write(target, json.dumps(gradescope(row, exam), indent=1))
        return
    target.mkdir(parents=True, exist_ok=True)
    taken = set()
    for row in rows:
        stem = re.sub(r"[^\w.-]", "_", clean(row.student or row.file, 100)).lstrip(".")
        while stem in taken:
            stem += "_"
        taken.add(stem)
        write(target / f"{stem}.json", json.dumps(gradescope(row, exam), indent=1))


def write(path, text):
    """Write a file whole or not at all."""
    number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(number, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise
