"""Wrong answers, planted: each must lose its check, with the hint that names the mistake."""

import importlib
import math
from dataclasses import dataclass
from pathlib import Path

import torch

import vae_lib as vl


@dataclass(frozen=True)
class Planted:
    """A wrong answer to a question.

    check: the title of a check that must fail.  hint: a part of the hint it must give.
    source: the answer, a `def` of the asked function with what it needs.
    """

    question: str
    check: str
    hint: str
    source: str


def load(source, name):
    """The function of that name which a source text defines."""
    space = {"__name__": "answer", "torch": torch, "math": math, "vl": vl}
    exec(compile(source, f"<{name}>", "exec"), space)
    return space[name]


def all_planted():
    """Every planted answer of every `planted_*.py`."""
    names = sorted(p.stem for p in Path(__file__).parent.glob("planted_*.py"))
    return [one for name in names for one in importlib.import_module(name).PLANTED]
