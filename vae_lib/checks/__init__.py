"""Instant feedback on the book's exercises.

`check("ex-03-laplace", laplace_kl)` asks a function you wrote on random inputs, says which
checks it passes, and names the mistake where it knows it.  Needs torch alone.
"""

import difflib
import importlib
from dataclasses import dataclass
from pathlib import Path

import torch

from .engine import NotWritten, Question, Wrong, ask_here

__all__ = ["Report", "check", "find_question", "questions"]


@dataclass(frozen=True)
class Report:
    """Points earned, and one line (title, points, hint) a check; the hint is "" where it holds."""

    question: Question
    lines: tuple
    written: bool = True

    @property
    def points(self):
        return sum(points for _, points, hint in self.lines if not hint)

    def __repr__(self):
        question = self.question
        if not self.written:
            return f"{question.name}: not written yet. Replace the `raise` in {question.function}."
        rows = [f"{question.name}: {self.points} of {question.points} points"]
        rows += [
            f"  {'wrong' if hint else 'right'}  {title}{': ' + hint if hint else ''}"
            for title, _, hint in self.lines
        ]
        return "\n".join(rows)


def check(name, function):
    """Check an answer here and now.

    name: of the exercise, such as "ex-03-laplace".  function: your answer.  Returns a `Report`,
    which shows itself.  Raises KeyError for an unknown name, TypeError where no function is given.
    """
    question = find_question(name)
    if not callable(function):
        raise TypeError(
            f"check('{name}', ...) wants your function {question.function}, without a call; "
            f"it was given a {type(function).__name__}"
        )
    return report_on(question, ask_here(function))


def report_on(question, ask, seed=0):
    """The `Report` of one question, wherever `ask` reaches the answer.  seed: of the inputs."""
    lines = []
    for number, one in enumerate(question.checks):
        generator = torch.Generator().manual_seed(1000 * seed + number)
        try:
            one.run(ask, generator)
            hint = ""
        except Wrong as wrong:
            hint = str(wrong) or "the answer is wrong"
        except NotWritten:
            unwritten = tuple((c.title, c.points, "not written yet") for c in question.checks)
            return Report(question, unwritten, written=False)
        lines.append((one.title, one.points, hint))
    return Report(question, tuple(lines))


def questions(module=None):
    """{name: Question} of one module of checks ("chapter_03", "set_a"), or of all of them."""
    if module is not None:
        found = importlib.import_module(f"{__name__}.{module}").QUESTIONS
        return {question.name: question for question in found}
    here = Path(__file__).parent
    names = sorted(p.stem for pattern in ("chapter_??.py", "set_?.py") for p in here.glob(pattern))
    return {name: q for module in names for name, q in questions(module).items()}


def find_question(name):
    """The `Question` of that name.  Raises KeyError that offers the nearest names."""
    parts = str(name).split("-")
    module = f"chapter_{parts[1]}" if parts[0] == "ex" else "_".join(parts[:2])
    known = questions(module) if (Path(__file__).parent / f"{module}.py").is_file() else questions()
    if name not in known:
        near = difflib.get_close_matches(str(name), known, 3, 0.4) or sorted(known)
        raise KeyError(f"no exercise is called '{name}'; did you mean {' or '.join(near)}?")
    return known[name]
