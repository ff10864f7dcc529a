"""Checks about draws from the prior: a mix of them, and rings of equal probability (chapter 10)."""

import torch
from torch.distributions import Normal

from .engine import values

# -- a mix of draws that is a draw ----------------------------------------------------------------


def _three(generator):
    sign = 2.0 * torch.randint(0, 2, (3,), generator=generator) - 1
    weights = sign * (0.3 + torch.rand(3, generator=generator))
    return torch.randn(3, 6, 4, generator=generator), weights


def _mix(factor):
    def mixed(z, weights):
        return torch.einsum("n, nbj -> bj", weights * factor(weights), z)

    return mixed


_plain = _mix(lambda w: 1.0)


def _one_length(z, weights):
    mixed = _plain(z, weights)
    return mixed * 2 / mixed.norm(dim=1, keepdim=True)  # 2 is the root of J = 4


THREE = (
    values(
        "three draws, any weights",
        _three,
        _mix(lambda w: 1 / w.norm()),
        mistakes=(
            ("a plain mix has another variance than a draw", _mix(lambda w: 1.0)),
            ("this factor is right for equal weights alone", _mix(lambda w: len(w) ** 0.5)),
            ("variances add, not standard deviations", _mix(lambda w: 1 / w.abs().sum())),
            (
                "the weights may add up to anything: their squares count",
                _mix(lambda w: 1 / w.sum()),
            ),
            ("this divides by the variance: take its root", _mix(lambda w: 1 / (w @ w))),
            ("every code gets one length; the lengths of draws differ", _one_length),
            (
                "every code gets one length; the lengths of draws differ",
                lambda z, weights: _one_length(z, weights) / 2,
            ),
            ("the variances add; they are not averaged", _mix(lambda w: len(w) ** 0.5 / w.norm())),
            (
                "the factor follows from the weights: no estimate from the batch is needed",
                lambda z, weights: _plain(z, weights) / _plain(z, weights).std(),
            ),
        ),
        points=2,
        rtol=1e-3,
        atol=1e-4,
    ),
)

# -- rings of equal probability -------------------------------------------------------------------


def _cloud(generator):
    return 1.3 * torch.randn(400, 2, generator=generator), 5


def _two_places(generator):
    near = 0.1 * torch.rand(30, 2, generator=generator)
    return torch.cat([near, 9 + torch.rand(12, 2, generator=generator)]), 6


def _visits(below, last=True):
    def visits(z, n):
        edge = (below(z.norm(dim=1)) * n).long()
        ring = edge.clamp(0, n - 1) if last else edge
        return torch.bincount(ring, minlength=n) * n / len(z)

    return visits


def _share(r):
    return 1 - (-r.square() / 2).exp()


RINGS = (
    values(
        "a wide cloud of codes",
        _cloud,
        _visits(_share),
        mistakes=(
            (
                "the length of two latents is not that of one",
                _visits(lambda r: torch.erf(r / 2**0.5)),
            ),
            ("this is for one coordinate, not for a length", _visits(Normal(0.0, 1.0).cdf)),
            (
                "the exponent of a normal density has a half",
                _visits(lambda r: 1 - (-r.square()).exp()),
            ),
            ("the exponent has the square of the length", _visits(lambda r: 1 - (-r).exp())),
            ("the squares of the two latents add", _visits(lambda r: _share(r / 2**0.5))),
            ("the rings are counted from outside", _visits(lambda r: 1 - _share(r))),
            ("the rings are equally wide, not equally probable", _visits(lambda r: r / r.max())),
            (
                "these are counts: divide by an equal share",
                lambda z, n: _visits(_share)(z, n) * len(z) / n,
            ),
            (
                "this is the share of all codes: compare with 1/n",
                lambda z, n: _visits(_share)(z, n) / n,
            ),
        ),
    ),
    values(
        "codes very far out",
        _two_places,
        _visits(_share),
        mistakes=(
            ("far out u rounds to 1, beyond the last ring", _visits(_share, last=False)),
            (
                "far out u rounds to 1, and these codes are lost",
                lambda z, n: _visits(_share, last=False)(z, n)[:n],
            ),
        ),
    ),
)
