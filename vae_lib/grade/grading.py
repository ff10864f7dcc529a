"""A whole run: prove the reference, mark every submission, write the tables."""

import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict

import torch

from .exam import ROOT, Unusable, load_exam, reference_cells
from .marking import Mark, mark
from .progress import Progress
from .report import Row, csv_text, write, write_gradescope
from .sandbox import Limits, Sandbox
from .submissions import Unreadable, gather, read_cells, read_roster


class ReferenceFails(Exception):
    """The reference answers lose points: nothing can be marked."""


def grade(given, say):
    """Grade as told by the parsed arguments (`__main__.parse`) and write the files.

    say(text): tells how far it is.  Returns the rows.  Raises `Unusable`, `NoSandbox`,
    `ReferenceFails`, `ChildFailed`.
    """
    began, before = time.monotonic(), torch.get_default_dtype()
    exam = load_exam(given.set, given.private, given.reference)
    torch.set_default_dtype(exam.dtype)
    try:
        rows = _grade(given, exam, say)
    finally:
        torch.set_default_dtype(before)
    say(f"{given.out}: {len(rows)} rows, {time.monotonic() - began:.0f} s")
    return rows


def _grade(given, exam, say):
    roster = read_roster(given.roster)
    counted, superseded = gather(given.submissions, roster)
    _writable(given, counted)
    limits = Limits(given.seconds, 3 * given.seconds, cpu=60 + int(3 * given.seconds))
    with Sandbox(exam.library, limits, _private(given), not given.unsandboxed) as sandbox:
        prove(exam, sandbox, limits, given.seed)
        run = {"exam": exam.digest, "seed": given.seed, "sandboxed": not given.unsandboxed}
        partial = given.out.with_name(given.out.name + ".partial")
        with Progress(partial, run | asdict(limits)) as progress:
            marks = _mark_all(given, exam, counted, sandbox, limits, progress, say)
            rows = _rows(exam, roster, counted, superseded, marks)
            write(given.out, csv_text(rows, exam))
            if given.gradescope is not None:
                write_gradescope(rows, exam, given.gradescope)
    return rows


def _writable(given, counted):
    for target in filter(None, (given.out, given.gradescope)):
        if not target.absolute().parent.is_dir():
            raise Unusable(f"there is no folder {target.parent} to write into")
    single = given.gradescope is not None and given.gradescope.suffix == ".json"
    if single and len(counted) != 1:
        raise Unusable(f"--gradescope FILE.json is for 1 submission, not for {len(counted)}")


def _private(given):
    """The paths that no answer may see, wherever they lie."""
    paths = [given.submissions, given.roster.parent, given.out.parent, given.private]
    if (ROOT / "pyproject.toml").is_file():  # else vae_lib is installed among other packages
        paths.append(ROOT)
    return [path.absolute() for path in paths if path is not None]


def prove(exam, sandbox, limits, seed):
    """Raise `ReferenceFails` unless the reference earns full marks where answers run."""
    marks = mark(reference_cells(exam), exam.questions, sandbox, limits, seed)
    failing = [one for one in marks if one.points < one.out_of or one.note]
    if failing:
        points = sum(one.points for one in marks)
        raise ReferenceFails(
            f"the reference {exam.reference.name} earns {points} of {exam.points} points, so "
            f"nothing is graded: {failing[0].question}: {failing[0].remark}"
        )


def _mark_all(given, exam, submissions, sandbox, limits, progress, say):
    """{submission: its marks or, where it cannot be read, the reason}."""
    if progress.done:
        say(f"going on: {len(progress.done)} submissions are marked already")
    marks, waiting = {}, {}
    with ThreadPoolExecutor(max(1, given.jobs)) as pool:
        try:
            for one in submissions:
                try:
                    cells, key = read_cells(one)
                except Unreadable as fault:
                    marks[one] = str(fault)
                    continue
                if key in progress.done:
                    marks[one] = progress.done[key]
                    continue
                job = pool.submit(mark, cells, exam.questions, sandbox, limits, given.seed)
                waiting[job] = one, key
            for number, job in enumerate(as_completed(waiting), 1):
                one, key = waiting[job]
                marks[one] = tuple(job.result())
                progress.add(key, marks[one])
                say(f"{number} of {len(waiting)}: {one.name}")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            sandbox.close()
            raise
    return marks


def _rows(exam, roster, counted, superseded, marks):
    """A row for every student of the roster in its order, then one for everything else."""
    by_student = {one.student: one for one in counted if one.student}
    rows = []
    for student, name in roster.items():
        one = by_student.get(student)
        if one is None:
            rows.append(Row(student, name, "", _nothing(exam, "nothing was handed in")))
            continue
        others = [other.name for other, best in superseded.items() if best is one]
        remark = f"several were handed in; not marked: {', '.join(others)}" if others else ""
        rows.append(Row(student, name, one.name, _marks(exam, marks[one]), remark))
    for one in counted:
        if not one.student:
            remark = "its name holds no id of the roster"
            rows.append(Row("", "", one.name, _marks(exam, marks[one]), remark))
    for one, best in superseded.items():
        remark = f"not marked: {best.name} of the same student {best.student} counts"
        rows.append(Row("", "", one.name, None, remark))
    return rows


def _marks(exam, marks):
    return _nothing(exam, marks) if isinstance(marks, str) else marks


def _nothing(exam, reason):
    """Marks of zero for one reason."""
    return tuple(
        Mark(q.name, 0, q.points, tuple((c.title, c.points, reason) for c in q.checks))
        for q in exam.questions
    )
