"""Checks of problem set C on less variance: the best baseline, and mirrored draws."""

import torch

from .engine import Question, values
from .parts import part
from .set_c_gradients import VARIANCE, wave_draws, wave_parts

# -- the best baseline ----------------------------------------------------------------------------


def _rewards(generator):
    """Rewards and scores of nine draws for which the near misses below differ from the best."""
    while True:
        f, s = _draws(generator)
        near = f.mean(), (f * s * s).mean() / (s * s).mean()
        if all((b - _best(f, s)).abs() > 0.2 for b in near):
            return f, s


def _draws(generator):
    eps = torch.randn(9, generator=generator)
    noise = torch.randn(9, generator=generator)
    reward = 3 + 2 * torch.rand((), generator=generator) + eps + eps.square() + 0.3 * noise
    return reward, eps / (0.5 + torch.rand((), generator=generator)) + 0.2


def _best(f, s):
    """Where the parabola b -> variance of (f - b) s, known at three points, is lowest."""
    low, mid, high = (((f - b) * s).double().var() for b in (-1.0, 0.0, 1.0))
    return (low - high) / (2 * (low + high - 2 * mid))


BASELINE = Question(
    "set-c-baseline",
    "best_baseline",
    minutes=30,
    checks=(
        values(
            "the baseline of nine draws",
            _rewards,
            _best,
            mistakes=(
                (
                    "this is the mean reward: good, and not the best",
                    lambda f, s: f.mean(),
                ),
                (
                    "this is least for the mean of squares: the scores of these draws do not "
                    "average to 0, so the variance has another minimum",
                    lambda f, s: (f * s * s).mean() / (s * s).mean(),
                ),
                (
                    "this is the control variate of f alone: the terms are f s",
                    lambda f, s: torch.cov(torch.stack([f, s]))[0, 1] / s.var(),
                ),
                (
                    "this is a correlation: divide by the variance of s, not by two spreads",
                    lambda f, s: torch.corrcoef(torch.stack([f * s, s]))[0, 1],
                ),
                (
                    "covariance and variance divide by different numbers, N and N - 1",
                    lambda f, s: _best(f, s) * (len(s) - 1) / len(s),
                ),
                (
                    "the covariance is divided by the spread of s: its square is wanted",
                    lambda f, s: _best(f, s) * s.std(),
                ),
                (
                    "the sign is turned: the baseline is subtracted from f",
                    lambda f, s: -_best(f, s),
                ),
            ),
            points=6,
            rtol=2e-3,
            atol=2e-3,
        ),
    ),
)

# -- pairs ----------------------------------------------------------------------------------------


def _two_ends(made, mu, logvar, eps):
    return torch.stack([wave_parts(made, mu, logvar, sign * eps)[0] for sign in (1, -1)])


def _mean(made, mu, logvar, eps):
    return _two_ends(made, mu, logvar, eps).mean()


def _error(rows, correction=1):
    return rows.std(correction=correction) / len(rows) ** 0.5


def _ends(formula):
    return lambda *args: formula(_two_ends(*args))


PAIRS = Question(
    "set-c-antithetic",
    "antithetic",
    minutes=25,
    checks=(
        part(
            0,
            2,
            values(
                "the estimate",
                wave_draws,
                _mean,
                mistakes=(
                    ("the mirrored draws are missing: use -eps, too",
                     _ends(lambda two: two[0].mean())),
                    (VARIANCE, lambda made, mu, logvar, eps: _mean(made, mu, 2 * logvar, eps)),
                    ("this adds both ends of a pair: take their mean",
                     _ends(lambda two: 2 * two.mean())),
                    ("the ends are subtracted: the mean of a pair adds them",
                     _ends(lambda two: (two[0] - two[1]).mean() / 2)),
                    ("mirrored about 0: the mirror stands at mu, so it is eps that turns",
                     lambda made, mu, logvar, eps: (
                         wave_parts(made, mu, logvar, eps)[0].mean()
                         + wave_parts(made, -mu, logvar, -eps)[0].mean()) / 2),
                ),
                points=2,
            ),
        ),
        part(
            1,
            2,
            values(
                "its standard error",
                wave_draws,
                _ends(lambda two: _error(two.mean(0))),
                mistakes=(
                    ("these 2 n numbers come in pairs: n pair means are independent",
                     _ends(lambda two: _error(two.flatten()))),
                    ("this is the spread of the pair means: the error of their mean is smaller",
                     _ends(lambda two: two.mean(0).std())),
                    ("the mean is estimated too: divide by n - 1 in the variance",
                     _ends(lambda two: _error(two.mean(0), 0))),
                    ("this is the error of plain draws: no pair enters",
                     _ends(lambda two: _error(two[0]))),
                    ("this spreads over the sums of the pairs: take their means",
                     _ends(lambda two: _error(two.sum(0)))),
                    ("this spreads over the differences of the pairs",
                     _ends(lambda two: _error((two[0] - two[1]) / 2))),
                ),
                points=4,
                rtol=1e-3,
            ),
        ),
    ),
)  # fmt: skip
