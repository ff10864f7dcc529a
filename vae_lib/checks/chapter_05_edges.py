"""Check of chapter 5: a uniform variable as a function of its edges and of noise."""

import torch

from .engine import Check, Question, Wrong, describe, same, shape_of, untouched
from .gradients import NO_GRADIENT


def _edges(generator, n=40):
    """Edges a < b and noise u, n of each; u is symmetric about one half."""
    a = 2 * torch.randn(n, generator=generator)
    u = 0.02 + 0.96 * torch.rand(n // 2, generator=generator)
    u = torch.cat((u, 1 - u))
    return a, a + 0.5 + 3 * torch.rand(n, generator=generator), u


def _asked(ask, inputs, **options):
    reply = ask(*inputs, **options)
    untouched(reply)
    if reply.value is None:
        raise Wrong("it returns None: is the `return` missing?")
    if shape_of(reply.value) != shape_of(inputs[2]):
        raise Wrong(f"it returns {shape_of(reply.value)}; {shape_of(inputs[2])} is expected")
    return reply


def _draws(ask, generator):
    """For one pair of edges, sorted: a rising and a falling function of u are both right."""
    a, b, u = _edges(generator)
    a, b = a[:1].expand_as(u), b[:1].expand_as(u)
    z = _asked(ask, (a, b, u)).value
    wanted = (b * u + a * (1 - u)).sort().values
    if same(z.sort().values, wanted):
        return
    known = (
        ("b is the upper edge, not the width: the width is b - a", a + b * u),
        ("the width is 1 here, whatever b is", a + u),
        ("the lower edge is missing: this starts at 0", (b - a) * u),
        ("u is already uniform: stretch and move it, nothing else", a + (b - a) * u.sqrt()),
        ("u is already uniform: stretch and move it, nothing else", a + (b - a) * u.square()),
        ("mean and spread are right, but this is a Gaussian", _normal(a, b, u)),
    )
    for hint, wrong in known:
        if same(z.sort().values, wrong.sort().values):
            raise Wrong(hint)
    if (z < a - 1e-4).any() or (z > b + 1e-4).any():
        raise Wrong("some draws lie outside the edges a and b")
    if same(z, _asked(ask, (a, b, 1 - u.square())).value):
        raise Wrong("the draws do not depend on u: the noise is an input here")
    raise Wrong("sorted, " + describe([z.sort().values], [wanted]))


def _normal(a, b, u):
    return (a + b) / 2 + (b - a) / 12**0.5 * torch.special.ndtri(u)


def _path(ask, generator):
    """dz/da = (b - z) / (b - a) and dz/db = (z - a) / (b - a), for any noise."""
    a, b, _ = inputs = _edges(generator)
    reply = _asked(ask, inputs, wrt=(0, 1))
    z, width = reply.value, b - a
    if all(g is None for g in reply.grads):
        raise Wrong(NO_GRADIENT)
    if any(g is None for g in reply.grads):
        edge = "a" if reply.grads[0] is None else "b"
        raise Wrong(f"no gradient arrives at the edge {edge}")
    wanted = ((b - z) / width, (z - a) / width)
    if same(z, z[:1].expand_as(z)):
        raise Wrong("all draws are alike")
    if same(reply.grads, wanted, 1e-3, 1e-4):
        return
    if same(reply.grads[0], torch.ones_like(a)):
        raise Wrong("a moves every draw by the same amount here; the edge b must stay where it is")
    for edge, got, right in zip("ab", reply.grads, wanted, strict=True):
        if not same(got, right, 1e-3, 1e-4):
            raise Wrong(f"dz/d{edge}: " + describe([got], [right], 1e-3, 1e-4))


UNIFORM = Question(
    "ex-05-uniform",
    "uniform_draw",
    minutes=20,
    checks=(
        Check("the draws fill [a, b] evenly", _draws),
        Check("the path from z to both edges", _path),
    ),
)
