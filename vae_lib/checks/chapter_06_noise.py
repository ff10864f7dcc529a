"""Check of chapter 6: the noise that is learned beside a weight on the KL."""

import math

import torch

from .engine import Question, values
from .parts import part


def _eigenvalues(generator):
    """Fifteen eigenvalues, J large ones first, and a beta at which all J survive."""
    J = 2 + int(torch.randint(3, (), generator=generator))
    small = torch.rand(15 - J, generator=generator).sort(descending=True).values
    large = 8 + 10 * torch.rand(J, generator=generator).sort(descending=True).values
    return torch.cat((large, small)), J, 1.3 + torch.rand((), generator=generator).item()


def _noise(lam, J, beta, rounds=60):
    """By its two conditions in turn: D s^2 is the error, and the error has J beta s^2 in it."""
    s2 = lam[J:].mean()
    for _ in range(rounds):
        s2 = (lam[J:].sum() + J * beta * s2) / len(lam)
    return s2.sqrt()


def _carried(lam, J, beta):
    return (lam[:J] / (beta * _noise(lam, J, beta) ** 2)).log() / 2


BETA = Question(
    "ex-06-beta",
    "learned_noise",
    minutes=25,
    checks=(
        part(
            0,
            2,
            values(
                "the s that comes out",
                _eigenvalues,
                _noise,
                mistakes=(
                    (
                        "this is s^2; s is a standard deviation",
                        lambda *args: _noise(*args) ** 2,
                    ),
                    (
                        "this is the s of beta = 1: the error holds J times the water beta s^2",
                        lambda lam, J, beta: _noise(lam, J, 1.0),
                    ),
                    (
                        "this is the square root of the water, beta s^2",
                        lambda lam, J, beta: math.sqrt(beta) * _noise(lam, J, beta),
                    ),
                    (
                        "a learned s does not undo the beta: the water rises all the same",
                        lambda lam, J, beta: _noise(lam, J, 1.0) / math.sqrt(beta),
                    ),
                    (
                        "this is the s of beta = 1 times the root of beta; solve D s^2 = E for s",
                        lambda lam, J, beta: _noise(lam, J, 1.0) * math.sqrt(beta),
                    ),
                    (
                        "the survivors also leave an error: J times the water, beta s^2",
                        lambda lam, J, beta: (lam[J:].sum() / len(lam)).sqrt(),
                    ),
                ),
            ),
        ),
        part(
            1,
            2,
            values(
                "the nats of each latent",
                _eigenvalues,
                _carried,
                mistakes=(
                    (
                        "the water is beta s^2, not s^2",
                        lambda lam, J, beta: _carried(lam, J, beta) + math.log(beta) / 2,
                    ),
                    ("the half is missing", lambda *args: 2 * _carried(*args)),
                    (
                        "beta weighs the KL in the objective; what a latent carries is the KL",
                        lambda lam, J, beta: beta * _carried(lam, J, beta),
                    ),
                    (
                        "these are the nats at the s of beta = 1",
                        lambda lam, J, beta: _carried(lam, J, 1.0) - math.log(beta) / 2,
                    ),
                    (
                        "beta is nowhere in it: these are the nats of the plain ELBO",
                        lambda lam, J, beta: _carried(lam, J, 1.0),
                    ),
                ),
            ),
        ),
    ),
)
