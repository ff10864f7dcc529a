"""Checks of problem set B on the verdict: the answer is a word, so the hint describes a case."""

import math

import torch

from .engine import Check, Question, Wrong

UNDECIDED = "undecided"


def _case(generator):
    """A difference up to 4 times as large as its error, of either sign, and that error."""
    ratio, sign = (torch.rand(2, generator=generator) * 4).tolist()
    error = torch.randn((), generator=generator).mul(1.5).exp().item()
    return (1 if sign < 2 else -1) * ratio * error, error


def _judge(difference, error, higher_is_better, limit=2.0):
    if not abs(difference) > limit * error:
        return UNDECIDED
    return "A" if (difference > 0) == higher_is_better else "B"


def _cases(generator, higher):
    """Twelve cases that no known mistake judges as they should be judged."""
    while True:
        cases = [(*_case(generator), higher) for _ in range(12)]
        right = [_judge(*case) for case in cases]
        wrong = [[formula(*case) for case in cases] for _, formula in LEVELS]
        if right not in wrong and {*right} == {"A", "B", UNDECIDED} and _distinct(wrong):
            return cases


def _distinct(rows):
    return len(set(map(tuple, rows))) == len(rows)


ONE_ERROR = (
    "one standard error is too little: a third of all equal pairs lie beyond it",
    lambda d, e, higher: _judge(d, e, higher, limit=1.0),
)
NO_SIZE = (
    "the difference has a sign: hold its size against the error",
    lambda d, e, higher: UNDECIDED if not d > 2 * e else "A" if higher else "B",
)
NO_ERROR = (
    "the error is not used: a difference alone says nothing",
    lambda d, e, higher: _judge(d, 0.0, higher),
)
BARE_TWO = (
    "hold the difference against twice the error, not against 2",
    lambda d, e, higher: _judge(d, 1.0, higher),
)
LEVELS = (ONE_ERROR, NO_SIZE, NO_ERROR, BARE_TWO)
SWAPPED = (
    "A and B are swapped: the difference is A minus B",
    lambda d, e, higher: _judge(d, e, not higher),
)
ALWAYS_HIGHER = (
    "higher_is_better is not used: the lower score may be the better one",
    lambda d, e, higher: _judge(d, e, True),
)
NOT_LESS = (
    "no comparison with nan is true: ask whether the difference is large, not whether it is small",
    lambda d, e, higher: _judge(d, 0.0 if math.isnan(e) else e, higher),
)


def _run(cases, mistakes):
    """A mistake is named where it explains every case that `cases(generator)` draws."""

    def run(ask, generator):
        drawn = cases(generator)
        got = [ask(*case).value for case in drawn]
        right = [_judge(*case) for case in drawn]
        if got == right:
            return
        for hint, formula in mistakes:
            if got == [formula(*case) for case in drawn]:
                raise Wrong(hint)
        worst = next(i for i, value in enumerate(got) if value != right[i])
        difference, error, higher = drawn[worst]
        raise Wrong(
            f"difference {difference:.3g}, error {error:.3g}, "
            f"{'higher' if higher else 'lower'} is better: it says {got[worst]!r}; "
            f"{right[worst]!r} is right"
        )

    return run


def _both(generator):
    return [case for higher in (True, False) for case in _cases(generator, higher)]


def _one_run(generator):
    """Errors that nobody knows, between clear cases, so that one word for all earns nothing."""
    signs = [(sign, higher) for sign in (1.0, -1.0) for higher in (True, False)]
    size = 1 + 9 * torch.rand((), generator=generator).item()
    clear = [(sign * size, size / 50, higher) for sign, higher in signs]
    return clear + [(sign * size, math.nan, higher) for sign, higher in signs]


def _check(title, cases, mistakes):
    return Check(title, _run(cases, mistakes), points=3, mistakes=mistakes)


VERDICT = Question(
    "set-b-verdict",
    "verdict",
    minutes=20,
    checks=(
        _check("who is better", _both, (*LEVELS, SWAPPED, ALWAYS_HIGHER)),
        _check("one run, so no error is known", _one_run, (NOT_LESS,)),
    ),
)
