"""Checks of chapter 10, living in the latent space."""

import torch

from .chapter_10_draws import RINGS, THREE
from .chapter_10_guides import GUIDE, THIEF
from .engine import Question, values

# -- a turned proposal ----------------------------------------------------------------------------


def _turn(generator):
    return torch.linalg.qr(torch.randn(3, 3, generator=generator))[0]


def _round(generator):
    mu, level = torch.randn(5, 3, generator=generator), torch.randn(5, 1, generator=generator)
    return mu, level.expand(5, 3), _turn(generator)


def _long(generator):
    return torch.zeros(5, 3), torch.randn(5, 3, generator=generator) - 1, _turn(generator)


def _turned(widths, back=False):
    def both(mu, logvar, R):
        return mu @ (R if back else R.T), widths(logvar, R)

    return both


def _narrowest(logvar, R):
    # the precision matrices one by one: R diag(1 / sigma^2) R^T
    return -torch.stack([(R @ v.neg().exp().diag() @ R.T).diagonal() for v in logvar]).log()


LOG_SIGMA = "this is log sigma: log-variances are asked for"

_TURN = (
    values(
        "round proposals: the centre turns",
        _round,
        _turned(_narrowest),
        mistakes=(
            ("the codes are turned back, not on: z is a row here", _turned(_narrowest, back=True)),
            ("the centre has to turn", lambda mu, logvar, R: (mu, _narrowest(logvar, R))),
            (LOG_SIGMA, _turned(lambda v, R: _narrowest(v, R) / 2)),
        ),
        rtol=1e-3,
        atol=1e-4,
    ),
    values(
        "long proposals: the widths",
        _long,
        _turned(_narrowest),
        mistakes=(
            (
                "these are the variances of the turned q; the best diagonal one is narrower",
                _turned(lambda v, R: (v.exp() @ R.square().T).log()),
            ),
            ("the widths stay; a turn mixes them", _turned(lambda v, R: v)),
            ("log-variances do not turn like codes", _turned(lambda v, R: v @ R.T)),
            (
                "the widths are turned back, not on",
                _turned(lambda v, R: _narrowest(v, R.T)),
            ),
            ("these are log-precisions", _turned(lambda v, R: -_narrowest(v, R))),
            (LOG_SIGMA, _turned(lambda v, R: _narrowest(v, R) / 2)),
        ),
        rtol=1e-3,
        atol=1e-4,
    ),
)

QUESTIONS = (
    Question("ex-10-three", "mix_as_draw", minutes=15, checks=THREE),
    Question("ex-10-turn", "turned_proposal", minutes=25, checks=_TURN),
    Question("ex-10-probe", "reader_step", minutes=25, checks=GUIDE),
    Question("ex-10-thief", "thief_score", minutes=20, checks=THIEF),
    Question("ex-10-rings", "ring_visits", minutes=20, checks=RINGS),
)
