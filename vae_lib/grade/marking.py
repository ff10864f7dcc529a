"""Marks of one submission: every question asked, and what an earlier mistake sinks asked again."""

import ast
import importlib
import inspect
from dataclasses import dataclass, replace

import torch

from ..checks import report_on
from ..checks.engine import NotWritten, Wrong
from .extract import TOO_MUCH, bound, faulty, needed, statements, uses, without
from .remote import TURN, Remote, clean
from .sandbox import ChildFailed


@dataclass(frozen=True)
class Mark:
    """One question: points earned, and a line (title, points, hint) a check; "" is right."""

    question: str
    points: int
    out_of: int
    lines: tuple
    note: str = ""

    @property
    def remark(self):
        """What a student reads of it, in one sentence or a few; "" for full marks."""
        hints = {}
        for title, _, hint in self.lines:
            if hint:
                hints.setdefault(hint, []).append(title)
        said = [f"{', '.join(titles)}: {hint}" for hint, titles in hints.items()]
        if len(hints) == 1 and all(hint for *_, hint in self.lines):
            said = list(hints)
        return "; ".join([*said, self.note] if self.note else said)


class Answers:
    """The functions that a notebook's code cells define."""

    def __init__(self, sources):
        self.sources, self.body = sources, statements(sources)

    def source(self, function, replaced=()):
        """All that a function needs, as text, or "".  replaced: names to leave out."""
        try:
            return needed(without(self.body, replaced), [function])
        except TOO_MUCH:
            return ""

    def missing(self, function):
        """Why there is no answer."""
        fault = faulty(self.sources, function)
        return f"`{function}`: {fault}" if fault else f"the notebook defines no `{function}`"


def mark(sources, questions, launch, limits, seed=0):
    """A `Mark` for every question.  sources: the code cells.  seed: of the checks' inputs."""
    answers, marks = Answers(sources), {}
    with Remote(launch, limits, _slow_imports(sources)) as remote:
        for question in questions:
            source = answers.source(question.function)
            marks[question.name] = _ask(question, answers, source, remote, {}, seed)
        lost = {q.function for q in questions if marks[q.name].points < q.points}
        shown = set()
        for question in questions:
            source, given = _repaired(question, answers, lost)
            if not given:
                continue
            if question.function in shown:  # the child may have kept it
                remote.stop()
                shown.clear()
            shown |= {name for text in given.values() for name in bound(text)}
            again = _ask(question, answers, source, remote, given, seed)
            if again.points > marks[question.name].points:
                note = f"marked with the reference in place of your {' and '.join(given)}"
                marks[question.name] = replace(again, note=note)
    return list(marks.values())


def _slow_imports(sources):
    """What torch loads behind a student's back: the first optimizer takes a second or more."""
    return ("torch._dynamo",) if any("optim" in source for source in sources) else ()


def _repaired(question, answers, lost):
    """(source, references) of a failed answer that reads functions which failed themselves."""
    source = answers.source(question.function, question.uses)
    if question.function not in lost or not source:
        return "", {}
    read = uses(ast.parse(source))
    names = [name for name in question.uses if name in lost and name in read]
    given = {name: reference_source(question.uses[name]) for name in names}
    return answers.source(question.function, given), given


def _ask(question, answers, source, remote, given, seed):
    if not source:
        hint = answers.missing(question.function)
        lines = tuple((check.title, check.points, hint) for check in question.checks)
        return Mark(question.name, 0, question.points, lines)
    guarded = replace(question, checks=tuple(map(_guarded, question.checks)))
    report = report_on(guarded, remote.asking(source, question.function, given), seed)
    lines = tuple((title, points, clean(hint, 400)) for title, points, hint in report.lines)
    return Mark(question.name, report.points, question.points, lines)


def _guarded(check):
    """The check, so that no answer whatever makes it raise anything but its verdict."""

    def run(ask, generator):
        with TURN:
            torch.manual_seed(0)
            try:
                check.run(ask, generator)
            except (Wrong, NotWritten, ChildFailed):
                raise
            except Exception as error:
                kind = type(error).__name__
                raise Wrong(f"what it returns cannot be compared ({kind})") from error

    return replace(check, run=run)


def reference_source(where):
    """The source of a reference, with all it needs, from "module:name".

    module: in vae_lib.checks ("core"), or a full dotted name.
    """
    module, name = where.split(":")
    full = module if "." in module else f"vae_lib.checks.{module}"
    return needed(statements([inspect.getsource(importlib.import_module(full))]), [name])
