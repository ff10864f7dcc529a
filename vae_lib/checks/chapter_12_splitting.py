"""Checks of chapter 12 on what a rate is made of, and on a floor under it."""

import itertools
import math
from functools import partial

import torch
from torch.distributions import Independent, Normal

from .engine import Check, Wrong, same, values
from .parts import part


def _codes(generator, apart=1.0, sigma=1.0):
    """mu, logvar and one code of each of seven images with three latents."""
    mu = apart * torch.randn(7, 3, generator=generator)
    logvar = math.log(sigma**2) + 0.5 * torch.randn(7, 3, generator=generator)
    z = mu + torch.exp(0.5 * logvar) * torch.randn(7, 3, generator=generator)
    return mu, logvar, z


def _log_q(mu, logvar, z, spread=0.5):
    """log q_m(z_n), (n, m), in double precision."""
    q = Independent(Normal(mu.double(), torch.exp(spread * logvar.double())), 1)
    return q.log_prob(z.double()[:, None])


def _low(log_q, log_mixture):
    return (log_q.diagonal() - log_mixture).mean()


def _bounds(mu, logvar, z, spread=0.5):
    return _from_table(_log_q(mu, logvar, z, spread))


def _from_table(log_q):
    others, n = log_q.clone().fill_diagonal_(-math.inf), len(log_q)
    return (
        _low(log_q, torch.logsumexp(log_q, 1) - math.log(n)),
        _low(log_q, torch.logsumexp(others, 1) - math.log(n - 1)),
    )


def _other_axis(mu, logvar, z):
    log_q = _log_q(mu, logvar, z)
    return _low(log_q, torch.logsumexp(log_q, 0) - math.log(len(mu)))


def _mean_of_logs(mu, logvar, z):
    log_q = _log_q(mu, logvar, z)
    return _low(log_q, log_q.mean(1))


def _of_one_latent(index):
    """The bounds if log-densities are averaged over the three latents."""

    def bounds(mu, logvar, z):
        log_q = _log_q(mu, logvar, z) / 3
        return _from_table(log_q)[index]

    return bounds


def _zero_inserted(mu, logvar, z):
    log_q = _log_q(mu, logvar, z)
    zeros = log_q.clone().fill_diagonal_(0.0)
    return _low(log_q, torch.logsumexp(zeros, 1) - math.log(len(mu) - 1))


def _left_out(mu, logvar, z, count):
    return _bounds(mu, logvar, z)[1] + math.log(count / (len(mu) - 1))


SUMMED = "this adds up the codes: take their mean"

LOW = (
    ("the mixture is summed over the codes: hold one code to the q of all images",
     _other_axis),
    ("this averages the logarithms: the mixture is a mean of densities", _mean_of_logs),
    ("exp(logvar) is a variance: the standard deviation is exp(logvar / 2)",
     lambda mu, logvar, z: _bounds(mu, logvar, z, spread=1.0)[0]),
    ("the mixture is the mean of the q, not their sum",
     lambda mu, logvar, z: _bounds(mu, logvar, z)[0] - math.log(len(mu))),
    ("log q is averaged over the latents: sum over them", _of_one_latent(0)),
    (SUMMED, lambda mu, logvar, z: len(mu) * _bounds(mu, logvar, z)[0]),
    ("the two bounds stand the other way round: the lower first",
     lambda mu, logvar, z: _bounds(mu, logvar, z)[1]),
)  # fmt: skip

HIGH = (
    ("N - 1 images are left in the mixture, not N",
     lambda mu, logvar, z: _left_out(mu, logvar, z, len(mu))),
    ("a code's own image is still in the mixture", lambda *codes: _bounds(*codes)[0]),
    ("the mixture is the mean of the q of the others, not their sum",
     lambda mu, logvar, z: _left_out(mu, logvar, z, 1)),
    ("exp(logvar) is a variance: the standard deviation is exp(logvar / 2)",
     lambda mu, logvar, z: _bounds(mu, logvar, z, spread=1.0)[1]),
    ("a 0 in place of the own log-density is a density of 1: -inf leaves it out", _zero_inserted),
    ("log q is averaged over the latents: sum over them", _of_one_latent(1)),
    (SUMMED, lambda mu, logvar, z: len(mu) * _bounds(mu, logvar, z)[1]),
    ("its own log-density is missing: a code's term is log q_n(z_n) less that of the mixture",
     lambda mu, logvar, z: _bounds(mu, logvar, z)[1] - _log_q(mu, logvar, z).diagonal().mean()),
)  # fmt: skip

INFORMATION_BOUNDS = (
    part(0, 2, values("from below", _codes, lambda *codes: _bounds(*codes)[0], LOW)),
    part(1, 2, values("from above", _codes, lambda *codes: _bounds(*codes)[1], HIGH)),
    values(
        "narrow codes, far apart",
        partial(_codes, apart=5.0, sigma=0.03),
        _bounds,
        rtol=1e-3,
    ),
)


def _terms(*factors):
    """Draws of log p(x given z), of the KL of each latent, and of a floor.

    factors: of the floor, in turn: below 1 it lies under the sum of the KLs, else above.
    """
    turn = itertools.cycle(factors)

    def draw(generator):
        kl = torch.rand(4, 3, generator=generator) * torch.tensor([0.1, 1.0, 2.0])
        kl *= torch.tensor([[0.3], [1.0], [2.0], [4.0]])  # so some image is under any floor
        return -20 + 3 * torch.randn(4, generator=generator), kl, next(turn) * _total(kl)

    return draw


def _total(kl):
    return kl.sum(1).mean().item()


def _objective(log_px_z, kl, floor):
    return log_px_z.mean() - max(floor, _total(kl))


FLOORS = (
    ("this puts a floor under each latent, as free bits do: put one under their sum",
     lambda a, kl, floor: a.mean() - kl.mean(0).clamp(min=floor).sum()),
    ("this puts the floor under each image: average over the batch first",
     lambda a, kl, floor: a.mean() - kl.sum(1).clamp(min=floor).mean()),
    ("this charges the smaller of the two: nats under the floor are to be free",
     lambda a, kl, floor: a.mean() - min(floor, _total(kl))),
    ("this charges only what exceeds the floor: below it the charge is the floor itself",
     lambda a, kl, floor: a.mean() - max(0.0, _total(kl) - floor)),
    ("this adds the floor to the KL", lambda a, kl, floor: a.mean() - _total(kl) - floor),
    ("the KL is averaged over the latents: sum over them",
     lambda a, kl, floor: a.mean() - max(floor, kl.mean().item())),
    ("the KL is summed over the batch: average over the images",
     lambda a, kl, floor: a.mean() - max(floor, kl.sum().item())),
    ("log p(x given z) is summed over the batch: average over the images",
     lambda a, kl, floor: a.sum() - max(floor, _total(kl))),
    ("this is the loss: the objective is to be maximised",
     lambda a, kl, floor: -_objective(a, kl, floor)),
)  # fmt: skip


def _slopes(ask, generator):
    """Above the floor every KL costs 1 / B, below it nothing."""
    above, below = (_terms(factor)(generator) for factor in (0.7, 1.4))
    of_image, of_kl = ask(*above, wrt=(0, 1)).grads
    if of_kl is None or not of_kl.any():
        raise Wrong("above the floor the KL has no gradient: was it turned into a number?")
    if not same(of_image, torch.full((4,), 0.25)):
        raise Wrong("each log p(x given z) should have the gradient 1 / B")
    if not same(of_kl, torch.full((4, 3), -0.25)):
        raise Wrong("above the floor each KL should have the gradient -1 / B")
    of_kl = ask(*below, wrt=(0, 1)).grads[1]
    if of_kl is not None and of_kl.any():
        raise Wrong("under the floor the nats are free: there the KL should have no gradient")


FREE_SUM = (
    values("the charge", _terms(0.7, 1.4), _objective, FLOORS),
    Check("the gradient on both sides", _slopes),
)
