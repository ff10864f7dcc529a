"""A check of one part of an answer that returns several values."""

from dataclasses import replace

import torch

from .engine import Check, Wrong, shape_of


def part(index, of, one):
    """The check `one` on the value `index` of an answer that returns a tuple of `of` values.

    The other values are left to other checks, so that each part can fail alone.
    """

    def run(ask, generator):
        def asked(*args, **options):
            reply = ask(*args, **options)
            return replace(reply, value=split(reply.value, of)[index])

        one.run(asked, generator)

    mistakes = tuple((hint, _padded(formula, index, of)) for hint, formula in one.mistakes)
    return Check(one.title, run, one.points, mistakes)


def split(value, of):
    """The values of a tuple, list or 1-D tensor of length `of`; `Wrong` for anything else."""
    if value is None:
        raise Wrong("it returns None: is the `return` missing?")
    if isinstance(value, torch.Tensor) and value.ndim == 1:
        value = value.unbind()
    if not isinstance(value, (tuple, list)) or len(value) != of:
        raise Wrong(f"it returns {shape_of(value)}; a tuple of {of} values is expected")
    return value


def _padded(formula, index, of):
    """The formula in the place of a whole answer: the other parts are None."""
    return lambda *args: tuple(formula(*args) if i == index else None for i in range(of))
