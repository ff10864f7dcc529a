"""What a check is: it draws inputs, asks the answer, and names the mistake.

A `Question` is one exercise: one function to write, a few checks that earn its points.  A check
does not care where the answer runs.  It is given `ask`, with `ask(*args, seed=0, wrt=())`
returning a `Reply`: in a notebook the answer is called here, under the grader in a sandbox.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from .calling import call, leaf_values


class Wrong(Exception):
    """The answer fails a check; the message is the hint."""


class NotWritten(Exception):
    """The answer is still the stub."""


@dataclass(frozen=True)
class Check:
    """One thing that must hold.  run(ask, generator) returns, or raises `Wrong(hint)`."""

    title: str
    run: Callable
    points: int = 1
    mistakes: tuple = ()


@dataclass(frozen=True)
class Question:
    """One exercise.  uses: {name in the answer: "module:name" of its reference} for functions
    of other questions that this answer calls; the grader can put the reference in their place."""

    name: str
    function: str
    minutes: int
    checks: tuple
    uses: dict = field(default_factory=dict)

    @property
    def points(self):
        return sum(check.points for check in self.checks)


def ask_here(function):
    """`ask` for a function of this process."""

    def ask(*args, seed=0, wrt=()):
        try:
            reply = call(function, args, seed, wrt)
        except NotImplementedError as stub:
            raise NotWritten from stub
        except Exception as error:
            raise Wrong(f"it raised {type(error).__name__}: {error}") from error
        return reply

    return ask


def values(title, draw, expected, mistakes=(), points=1, rounds=2, rtol=1e-4, atol=1e-5):
    """The check that an answer equals `expected(*args)` for random `args = draw(generator)`.

    mistakes: pairs (hint, formula).  A formula takes the same inputs and gives what that mistake
    gives; the hint is shown when the answer agrees with it in all rounds.
    Shape, type and untouched inputs are demanded too: they veto and never earn.
    """

    def run(ask, generator):
        inputs = [draw(generator) for _ in range(rounds)]
        replies = [ask(*args) for args in inputs]
        untouched(*replies)
        wanted = [expected(*args) for args in inputs]
        got = [reply.value for reply in replies]
        if all(same(a, b, rtol, atol) for a, b in zip(got, wanted, strict=True)):
            return
        for hint, formula in mistakes:
            wrong = [formula(*args) for args in inputs]
            if all(same(a, b, rtol, atol) for a, b in zip(got, wrong, strict=True)):
                raise Wrong(hint)
        raise Wrong(describe(got, wanted, rtol, atol))

    return Check(title, run, points, tuple(mistakes))


def untouched(*replies):
    """Veto an answer that changed its inputs in place."""
    if any(reply.touched for reply in replies):
        raise Wrong("it changes one of its inputs in place: work on a new tensor")


def same(value, expected, rtol=1e-4, atol=1e-5):
    """Whether two values have one structure, equal shapes, and agree within the tolerances.

    A list of numbers is as good as a tensor of one dimension, and the other way round.
    """
    value = _in_the_form_of(expected, value)
    if shape_of(value) != shape_of(expected):
        return False
    pairs = zip(leaf_values(value), leaf_values(expected), strict=True)
    return all(_close(a, b, rtol, atol) for a, b in pairs)


def _in_the_form_of(expected, value):
    if isinstance(expected, torch.Tensor) and expected.ndim == 1 and _numbers(value):
        return torch.as_tensor(value, dtype=torch.float64)
    if _numbers(expected) and isinstance(value, torch.Tensor) and value.ndim == 1:
        return tuple(value)
    return value


def _numbers(value):
    """Whether it is a flat tuple or list of numbers."""
    flat = isinstance(value, (tuple, list)) and len(value) > 0
    return flat and all(shape_of(item) == "number" for item in value)


def _close(a, b, rtol, atol):
    if isinstance(b, (str, bool)) or b is None:
        return bool(a == b)
    a, b = (torch.as_tensor(v, dtype=torch.float64) for v in (a, b))
    return torch.allclose(a, b, rtol=rtol, atol=atol)


def shape_of(value):
    """The structure of a value as text, such as `(B) tensor` shapes inside tuples and dicts."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"'{k}': {shape_of(v)}" for k, v in sorted(value.items())) + "}"
    if isinstance(value, (tuple, list)):
        return "(" + ", ".join(map(shape_of, value)) + ("," if len(value) == 1 else "") + ")"
    if isinstance(value, torch.Tensor) and value.ndim:
        return f"tensor{tuple(value.shape)}"
    if isinstance(value, str) or value is None:
        return type(value).__name__
    return "number"


def describe(got, wanted, rtol=1e-4, atol=1e-5):
    """A hint from the values alone, where no known mistake fits: structure, sign, factor, miss."""
    if any(value is None for value in got):
        return "it returns None: is the `return` missing?"
    got = [_in_the_form_of(want, value) for value, want in zip(got, wanted, strict=True)]
    for a, b in zip(got, wanted, strict=True):
        if shape_of(a) != shape_of(b):
            return f"it returns {shape_of(a)}; {shape_of(b)} is expected{_reduced(a, b)}"
    for a, b in zip(leaf_values(got), leaf_values(list(wanted)), strict=True):
        if isinstance(b, (str, bool)) and a != b:
            return f"it gives {a!r} where {b!r} is right"
    a, b = _in_one_row(got), _in_one_row(wanted)
    if (b.isfinite() & ~a.isfinite()).any():
        return "it returns values that are infinite or not a number"
    atol = min(atol, 1e-3 * float(b[b.isfinite()].abs().max())) if b.isfinite().any() else atol
    if torch.allclose(a, -b, rtol=rtol, atol=atol):
        return "the sign is turned around"
    if a.isfinite().all() and b.isfinite().all() and len(b) > 2 and b.std() > 0.02 * b.abs().max():
        factor = float((a @ b) / (b @ b).clamp_min(1e-300))
        if abs(factor - 1) > 0.05 and torch.allclose(a, factor * b, rtol=rtol, atol=atol):
            return f"it is {factor:.4g} times the right value, everywhere"
        shift = float((a - b).mean())
        if torch.allclose(a - b, torch.full_like(b, shift), rtol=1e-3, atol=atol):
            return f"it is off by {shift:.4g}, everywhere: a constant"
    return _worst(a, b)


def _in_one_row(values):
    """All numbers of the values, as one tensor in double precision."""
    leaves = [leaf for leaf in leaf_values(list(values)) if not isinstance(leaf, str)]
    return torch.cat([torch.as_tensor(v, dtype=torch.float64).flatten() for v in leaves])


def _worst(a, b):
    """The number that misses most, in as many digits as show it."""
    miss = torch.where(a == b, torch.zeros_like(b), (a - b).abs() / b.abs().clamp_min(1e-6))
    worst = int(miss.nan_to_num(nan=float("inf")).argmax())
    found, right = float(a[worst]), float(b[worst])
    digits = next((n for n in range(4, 16) if f"{found:.{n}g}" != f"{right:.{n}g}"), 16)
    text = f"it gives {found:.{digits + 1}g} where {right:.{digits + 1}g} is right"
    if float(miss.max()) < 1e-2:
        text += ": nearly; is a small term missing, or are digits lost in a difference?"
    return text


def _reduced(a, b):
    """What was done to `b` if `a` is its mean or sum over everything: the commonest slip of all."""
    if shape_of(a) != "number" or not isinstance(b, torch.Tensor) or isinstance(a, (str, bool)):
        return ""
    if not b.isfinite().all():
        return ""
    for how in ("mean", "sum"):
        if same(a, getattr(b.double(), how)()):
            return f": this is the {how} over all, return each value"
    return ""
