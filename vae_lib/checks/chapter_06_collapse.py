"""Check of chapter 6: the curvature of the ELBO where every latent has collapsed."""

import torch

from .engine import Question, values
from .parts import part


def _water(generator):
    variance = 0.3 + 3 * torch.rand((), generator=generator).item()
    return variance, 0.5 + 1.2 * torch.rand((), generator=generator).item()


def _hessian(variance, s):
    """Of the ELBO of one pixel x = w z, mu = a x, sigma = 1, by autograd at w = a = 0."""

    def elbo(w, a):
        error = variance * (1 - w * a) ** 2 + w**2
        return -error / (2 * s**2) - variance * a**2 / 2

    zero = torch.zeros((), dtype=torch.float64)
    return torch.autograd.functional.hessian(elbo, (zero, zero))


def _entry(row, column):
    return lambda *args: _hessian(*args)[row][column]


_TWICE = "these are the coefficients of the expansion; a second derivative is twice as large"

SADDLE = Question(
    "ex-06-saddle",
    "collapse_curvatures",
    minutes=30,
    checks=(
        part(
            0,
            3,
            values(
                "the curvature along w",
                _water,
                _entry(0, 0),
                rounds=3,
                mistakes=(
                    (_TWICE, lambda v, s: -0.5 / s**2),
                    ("the error is divided by s^2, not by s", lambda v, s: -1 / s),
                    ("w^2 comes with the variance of z, which is 1 here", lambda v, s: -v / s**2),
                    ("w^2 is in the error, and the error is divided by s^2", lambda v, s: -1.0),
                ),
            ),
        ),
        part(
            1,
            3,
            values(
                "the mixed derivative",
                _water,
                _entry(0, 1),
                rounds=3,
                mistakes=(
                    (
                        "the factor 2 belongs to second derivatives of squares; d^2(wa)/dw da is 1",
                        lambda v, s: 2 * v / s**2,
                    ),
                    ("the error is divided by s^2, not by s", lambda v, s: v / s),
                    (
                        "without it nothing would ever grow: the error contains -2 w a times the "
                        "variance",
                        lambda v, s: 0.0,
                    ),
                    ("the variance of the direction is missing", lambda v, s: 1 / s**2),
                ),
            ),
        ),
        part(
            2,
            3,
            values(
                "the curvature along a",
                _water,
                _entry(1, 1),
                rounds=3,
                mistakes=(
                    (_TWICE, lambda v, s: -v / 2),
                    (
                        "with w = 0 the decoder ignores the code: a costs KL and nothing else",
                        lambda v, s: -v / s**2,
                    ),
                    ("mu = a u^T x varies as x does: its variance is missing", lambda v, s: -1.0),
                ),
            ),
        ),
    ),
)
