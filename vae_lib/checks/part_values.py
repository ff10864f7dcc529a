"""A check of one entry of a returned tuple, and hints where numbers break down or are shifted."""

from dataclasses import replace

import torch

from .calling import leaf_values
from .engine import Check, Wrong, shape_of, values


def part_values(
    title, draw, expected, mistakes=(), part=None, of=1, broken="", shifted="", **options
):
    """`values` for entry `part` of an answer that returns a tuple of `of` entries.

    part: None takes the whole answer.  broken, shifted: hints for answers that no known mistake
    fits and that are infinite or no number, or that are off by one and the same amount in all
    entries.  options: points, rounds and tolerances of `values`.
    """
    one = values(title, draw, expected, mistakes, **options)
    known = {hint for hint, _ in mistakes}

    def run(ask, generator):
        asked_for, raised = [], []

        def asked(*args, **how):
            raised.append(True)
            reply = ask(*args, **how)
            value = reply.value if part is None else entry(reply.value, part, of)
            asked_for.append((value, args))
            raised.clear()
            return replace(reply, value=value)

        try:
            one.run(asked, generator)
        except Wrong as wrong:
            if raised or str(wrong) in known:
                raise
            if broken and not _finite([value for value, _ in asked_for]):
                raise Wrong(broken) from wrong
            pairs = [(value, expected(*args)) for value, args in asked_for]
            if shifted and (offset := _offset(pairs)):
                raise Wrong(f"all values are off by {offset:+.4g}: {shifted}") from wrong
            raise

    whole = tuple((hint, _repeat(formula, part, of)) for hint, formula in mistakes)
    return Check(title, run, one.points, whole)


def entry(value, part, of):
    """Entry `part` of a tuple, list or 1-D tensor of length `of`; `Wrong` for anything else."""
    if value is None:
        raise Wrong("it returns None: is the `return` missing?")
    if isinstance(value, torch.Tensor) and value.ndim == 1:
        value = value.unbind()
    if not isinstance(value, (tuple, list)) or len(value) != of:
        raise Wrong(f"it returns {shape_of(value)}; a tuple of {of} values is expected")
    return value[part]


def _repeat(formula, part, of):
    return formula if part is None else lambda *args: (formula(*args),) * of


def _finite(value):
    numbers = (v for v in leaf_values(value) if isinstance(v, (int, float, torch.Tensor)))
    return all(bool(torch.as_tensor(v).isfinite().all()) for v in numbers)


def _offset(pairs, tolerance=1e-3):
    """By how much all entries of every tensor are off, where that is one amount; else 0."""
    if any(not isinstance(a, torch.Tensor) or a.shape != b.shape for a, b in pairs):
        return 0.0
    misses = [a.double() - b.double() for a, b in pairs]
    if any(float(m.max() - m.min()) > tolerance for m in misses):
        return 0.0
    offset = float(misses[0].mean())
    return offset if abs(offset) > 10 * tolerance else 0.0
