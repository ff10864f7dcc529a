"""Checks of chapter 12, rate, distortion and collapse."""

import math
from functools import partial

import torch

from .chapter_12_splitting import FREE_SUM, INFORMATION_BOUNDS
from .chapter_12_verdicts import VERDICT
from .engine import Question, values


def _rate_at(water, eigenvalues):
    return 0.5 * torch.log(eigenvalues.double() / water).clamp(min=0).sum().item()


def _budget(generator, alive):
    """Six eigenvalues in any order, and the rate at which so many stand out of the water."""
    eigenvalues = torch.exp(0.4 * torch.arange(6) + 0.3 * torch.rand(6, generator=generator))
    eigenvalues = eigenvalues[[5, 4, 1, 3, 0, 2]]  # so that not sorting them shows
    s = 0.3 + 0.5 * torch.rand((), generator=generator).item()
    land = eigenvalues.sort(descending=True).values.tolist()
    water = math.sqrt(land[alive - 1] * (land[alive] if alive < 6 else land[5] / 4))
    return eigenvalues, s, _rate_at(water, eigenvalues)


def _price(eigenvalues, s, rate):
    """By bisection of the rate, which falls as the water rises."""
    low, high = 1e-6, eigenvalues.max().item()
    for _ in range(60):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if _rate_at(middle, eigenvalues) > rate else (low, middle)
    return low / s**2


def _alive(count):
    """The price if the so many largest of six directions stood out, whatever the rate."""

    def price(eigenvalues, s, rate):
        land = eigenvalues.double().log().sort(descending=True).values[:count]
        return (torch.exp((land.sum() - 2 * rate) / count) / s**2).item()

    return price


def _unsorted(eigenvalues, s, rate):
    """The right rule, for directions in the order in which they come."""
    land = eigenvalues.double()
    for n in range(1, len(land) + 1):
        water = torch.exp((land[:n].log().sum() - 2 * rate) / n)
        if n == len(land) or water >= land[n]:
            return (water / s**2).item()


LEVEL = (
    ("this is the level of the water: divide it by s squared to get beta",
     lambda eigenvalues, s, rate: _price(eigenvalues, s, rate) * s**2),
    ("s is a standard deviation: the water stands at beta s squared, not beta s",
     lambda eigenvalues, s, rate: _price(eigenvalues, s, rate) * s),
    ("this is one over beta: more rate is bought at a lower price",
     lambda eigenvalues, s, rate: 1 / _price(eigenvalues, s, rate)),
    ("the half is missing: a direction costs half of log(eigenvalue / water)",
     lambda eigenvalues, s, rate: _price(eigenvalues, s, rate / 2)),
)  # fmt: skip

DROWNED = (
    ("what lies under the water carries no rate: count only what stands out", _alive(6)),
    ("the eigenvalues come in any order: those that stand out are the largest", _unsorted),
)
NO_END = ("the smallest direction is never counted: here all of them stand out", _alive(5))


def _sighted(generator, sees):
    """S, T, s and beta of five pixels.

    sees: whether T is not 0; then all directions stand out of the water, otherwise two of five.
    """
    root = torch.randn(5, 5, generator=generator) * torch.tensor([2.0, 1.5, 1.0, 0.7, 0.5])
    S = root @ root.T + 0.2 * torch.eye(5)
    T = 0.7 * sees * torch.randn(5, 5, generator=generator).tril(-1)
    left = torch.linalg.eigvalsh(_rest(T) @ S @ _rest(T).T)
    water = left[0] / 3 if sees else torch.sqrt(left[2] * left[3])
    beta = 1.5 + 2 * torch.rand((), generator=generator).item()
    return S, T, math.sqrt(water / beta), beta


def _rest(T):
    return torch.eye(len(T)).to(T) - T


def _rates(covariance, s, beta):
    spectrum = torch.linalg.eigvalsh(covariance.double()).flip(0)
    return 0.5 * torch.log(spectrum.clamp(min=1e-12) / (beta * s**2)).clamp(min=0)


def _rates_left(S, T, s, beta):
    """By the singular values of (I - T) L, where S = L L'."""
    root = torch.linalg.cholesky(S.double())
    spectrum = torch.linalg.svdvals(_rest(T.double()) @ root).square()
    return 0.5 * torch.log(spectrum / (beta * s**2)).clamp(min=0)


def _unclamped(S, T, s, beta):
    spectrum = torch.linalg.eigvalsh((_rest(T) @ S @ _rest(T).T).double()).flip(0)
    return 0.5 * torch.log(spectrum / (beta * s**2))


RULE = (
    ("a direction under the water has rate 0, not a negative one", _unclamped),
    ("the smallest direction stands first: eigvalsh sorts upwards",
     lambda S, T, s, beta: _rates_left(S, T, s, beta).flip(0)),
    ("beta is missing: it raises the water to beta s squared",
     lambda S, T, s, beta: _rates_left(S, T, s, 1.0)),
    ("s is a standard deviation: the water stands at beta s squared",
     lambda S, T, s, beta: _rates_left(S, T, math.sqrt(s), beta)),
    ("the half is missing", lambda S, T, s, beta: 2 * _rates_left(S, T, s, beta)),
    ("these are the variances of the pixels, the diagonal, not the eigenvalues",
     lambda S, T, s, beta: _rates(torch.diag(S.diagonal()), s, beta)),
)  # fmt: skip

SIGHT = (
    ("the spectrum is that of the images: the code has to explain only what is left of them",
     lambda S, T, s, beta: _rates(S, s, beta)),
    ("I - T stands on one side only: a covariance takes it on both, transposed on the right",
     lambda S, T, s, beta: _rates(_rest(T) @ S, s, beta)),
    ("the transposed matrix stands on the left: Cov(e) = (I - T) S (I - T)'",
     lambda S, T, s, beta: _rates(_rest(T).T @ S @ _rest(T), s, beta)),
    ("these are the variances of what is left, the diagonal, not the eigenvalues",
     lambda S, T, s, beta: _rates(torch.diag((_rest(T) @ S @ _rest(T).T).diagonal()), s, beta)),
    ("this is the covariance of x + Tx: the decoder subtracts what it predicts",
     lambda S, T, s, beta: _rates(_rest(-T) @ S @ _rest(-T).T, s, beta)),
    ("this is the covariance of Tx, what the decoder sees, not of what is left",
     lambda S, T, s, beta: _rates(T @ S @ T.T, s, beta)),
)  # fmt: skip

QUESTIONS = (
    Question(
        "ex-12-hand",
        "beta_for_rate",
        minutes=25,
        checks=(
            values("no direction drowns", partial(_budget, alive=6), _price, (*LEVEL, NO_END)),
            values("some directions drown", partial(_budget, alive=3), _price, (*LEVEL, *DROWNED)),
        ),
    ),
    Question(
        "ex-12-neighbour",
        "rates_left",
        minutes=20,
        checks=(
            values("the rule", partial(_sighted, sees=False), _rates_left, RULE, rtol=1e-3),
            values(
                "what a decoder sees", partial(_sighted, sees=True), _rates_left, SIGHT, rtol=1e-3
            ),
        ),
    ),
    Question("ex-12-back", "verdict", minutes=20, checks=VERDICT),
    Question("ex-12-batch", "information_bounds", minutes=25, checks=INFORMATION_BOUNDS),
    Question("ex-12-floor", "free_sum", minutes=15, checks=FREE_SUM),
)
