"""Check of chapter 6: how many latents are used, and how many nats they carry."""

import math

import torch

from .chapter_04_losses import choice
from .engine import Question, values
from .parts import part


def _class(generator):
    """x with a mean far from zero, J = 5 latents, and s between two of the first eigenvalues.

    Drawn again until s and s^2 give different counts.
    """
    while True:
        x = torch.randn(12, 7, generator=generator) * torch.linspace(3, 0.4, 7)
        x = x + 4 * torch.randn(7, generator=generator)
        x = x * choice(generator, 0.3, 3.0)
        used, lam = 2 + int(torch.randint(3, (), generator=generator)), _spectrum(x)
        s = math.sqrt(0.4 * lam[used - 1] + 0.6 * lam[used])
        if (lam[:5] > s).sum() != used:
            return x, 5, s


def _spectrum(x):
    """By singular values, without the covariance matrix."""
    return torch.linalg.svdvals(x - x.mean(0)).square() / len(x)


def _nats(x, J, s):
    return (_spectrum(x)[:J] / s**2).clamp(min=1).log() / 2


def _used(x, J, s):
    return int((_spectrum(x)[:J] > s**2).sum())


def _moment(x):
    return torch.linalg.svdvals(x).square() / len(x)


CLASSES = Question(
    "ex-06-classes",
    "count_latents",
    minutes=15,
    checks=(
        part(
            0,
            2,
            values(
                "how many latents are used",
                _class,
                _used,
                rounds=6,
                mistakes=(
                    (
                        "an eigenvalue is a variance: compare it with s^2",
                        lambda x, J, s: int((_spectrum(x)[:J] > s).sum()),
                    ),
                    (
                        "the images' own mean is not subtracted",
                        lambda x, J, s: int((_moment(x)[:J] > s**2).sum()),
                    ),
                    (
                        "these are the J smallest eigenvalues: eigh sorts them upwards",
                        lambda x, J, s: int((_spectrum(x)[-J:] > s**2).sum()),
                    ),
                    ("this counts all J latents", lambda x, J, s: J),
                ),
            ),
        ),
        part(
            1,
            2,
            values(
                "the nats of each latent",
                _class,
                _nats,
                rtol=1e-3,
                atol=1e-4,
                mistakes=(
                    (
                        "a latent under the water carries 0 nats, not fewer than none",
                        lambda x, J, s: (_spectrum(x)[:J] / s**2).log() / 2,
                    ),
                    (
                        "the images' own mean is not subtracted",
                        lambda x, J, s: (_moment(x)[:J] / s**2).clamp(min=1).log() / 2,
                    ),
                    ("the half is missing", lambda *args: 2 * _nats(*args)),
                    (
                        "these are bits; nats are asked for",
                        lambda *args: _nats(*args) / math.log(2),
                    ),
                    (
                        "these are the J smallest eigenvalues: eigh sorts them upwards",
                        lambda x, J, s: (_spectrum(x).flip(0)[:J] / s**2).clamp(min=1).log() / 2,
                    ),
                    (
                        "an eigenvalue is a variance: compare it with s^2",
                        lambda x, J, s: (_spectrum(x)[:J] / s).clamp(min=1).log() / 2,
                    ),
                    (
                        "the order is turned round: eigh gives the smallest first",
                        lambda *args: _nats(*args).flip(0),
                    ),
                    (
                        "divide by N, not by N - 1: the likelihood averages over the images",
                        lambda x, J, s: _nats(x, J, s * math.sqrt(1 - 1 / len(x))),
                    ),
                ),
            ),
        ),
    ),
)
