"""Checks of chapter 9, CAE and VAE, fairly."""

import math

import torch

from .chapter_09_scores import FRECHET, SEEDS
from .engine import Question, values

# -- a mixture of Gaussians -----------------------------------------------------------------------


def _near(generator):
    z = torch.randn(7, 3, generator=generator)
    weights = 0.1 + torch.rand(4, generator=generator)
    root = torch.randn(4, 3, 3, generator=generator)
    covariances = root @ root.mT + 0.4 * torch.eye(3)
    return z, weights / weights.sum(), torch.randn(4, 3, generator=generator), covariances


def _far(generator):
    z, _, means, covariances = _near(generator)
    away = 40.0 * (1 + torch.arange(7))[:, None]  # no largest of all helps all the codes
    return away + z, torch.ones(1), means[:1], covariances[:1] / 2


def _log_parts(z, means, covariances):
    # (K, N): log N(z; m_k, C_k), by the inverse and the determinant
    gap, inverse = z - means[:, None], torch.linalg.inv(covariances)
    square = torch.einsum("knj, kji, kni -> kn", gap, inverse, gap)
    log_det = torch.logdet(2 * math.pi * covariances)
    return -0.5 * (square + log_det[:, None])


def _mixture(combine, change=lambda covariances: covariances):
    def density(z, weights, means, covariances):
        return combine(_log_parts(z, means, change(covariances)), weights[:, None])

    return density


def _sum_inside(parts, weights):
    return (parts + weights.log()).logsumexp(0)


def _largest(parts, weights):
    return (parts + weights.log()).amax(0)


_COMPONENTS = (
    values(
        "codes among the components",
        _near,
        _mixture(_sum_inside),
        mistakes=(
            (
                "the logarithms are averaged; a mixture averages the densities",
                _mixture(lambda parts, w: (w * parts).sum(0)),
            ),
            ("only the likeliest component counts; the others add", _mixture(_largest)),
            ("the weights of the components are missing", _mixture(lambda p, w: p.logsumexp(0))),
            (
                "all components weigh the same: use the weights",
                _mixture(lambda p, w: p.logsumexp(0) - math.log(len(w))),
            ),
            ("this is the density, not its logarithm", _mixture(lambda p, w: (w * p.exp()).sum(0))),
            (
                "only the variances are used: the covariances have more to say",
                _mixture(_sum_inside, lambda C: torch.diag_embed(C.diagonal(dim1=1, dim2=2))),
            ),
            (
                "the constant (2 pi)^(J/2) is missing",
                _mixture(lambda p, w: _sum_inside(p, w) + 1.5 * math.log(2 * math.pi)),
            ),
        ),
    ),
    values(
        "codes far from every component",
        _far,
        _mixture(_sum_inside),
        mistakes=(
            (
                "the densities underflow to 0: take the largest out before you exponentiate",
                _mixture(lambda p, w: (w * p.exp()).sum(0).log()),
            ),
            (
                "take out the largest of each code, not the largest of all",
                _mixture(lambda p, w: p.max() + (w * (p - p.max()).exp()).sum(0).log()),
            ),
        ),
        rtol=1e-3,
    ),
)

# -- densities fitted to the means ----------------------------------------------------------------


def _used(generator):
    mu = torch.randn(8, 4, generator=generator) * torch.tensor([1.0, 0.7, 0.4, 0.2])
    return mu, -1 + torch.randn(8, 4, generator=generator)


def _unused(generator):
    mu, logvar = _used(generator)
    # equal widths, and a last latent whose means hardly move
    return mu * torch.tensor([1.0, 1.0, 1.0, 0.005]), logvar[:1].expand(8, 4) / 3


def _lost(ratio, nats_of=lambda r: r - 1 - r.log()):
    r"""E over the drawn codes of log N(.; fit to draws) - log N(.; fit to means), per latent."""

    def nats(mu, logvar):
        r = ratio(mu.var(0, correction=0), logvar)
        return 0.5 * nats_of(r)

    return nats


def _of_variances(v, logvar):
    return (v + logvar.exp().mean(0)) / v


_right = _lost(_of_variances)

_MEANS = (
    values(
        "latents that are used",
        _used,
        _right,
        mistakes=(
            (
                "the ratio is upside down: the codes are drawn, the density is fitted to means",
                _lost(lambda v, logvar: v / (v + logvar.exp().mean(0))),
            ),
            (
                "the densities differ by their heights, too: a logarithm is missing",
                _lost(_of_variances, lambda r: r - 1),
            ),
            (
                "the densities differ by more than their heights: the squares are missing",
                _lost(_of_variances, torch.log),
            ),
            (
                "the ratio is one of variances, not of standard deviations",
                _lost(lambda v, logvar: _of_variances(v, logvar).sqrt()),
            ),
            (
                "this is the KL to the prior; here two fitted densities are compared",
                lambda mu, logvar: 0.5 * (mu.square() + logvar.exp() - 1 - logvar).mean(0),
            ),
            (
                "the mean of the variances is not the exponential of the mean log-variance",
                _lost(lambda v, logvar: (v + logvar.mean(0).exp()) / v),
            ),
            (
                "the variances add, not the standard deviations",
                _lost(lambda v, logvar: (v.sqrt() + (logvar / 2).exp().mean(0)).square() / v),
            ),
            (
                "sigma is added where its square belongs",
                _lost(lambda v, logvar: (v + (logvar / 2).exp().mean(0)) / v),
            ),
            (
                "the draws vary by their means as well as by sigma",
                _lost(lambda v, logvar: logvar.exp().mean(0) / v),
            ),
            (
                "divide the variance of the means by N, not by N - 1",
                _lost(lambda v, logvar: (v * 8 / 7 + logvar.exp().mean(0)) / (v * 8 / 7)),
            ),
        ),
    ),
    values(
        "a latent that is not used",
        _unused,
        _right,
        mistakes=tuple(
            (
                "a small number added to the variance hides how narrow the fit is",
                _lost(lambda v, logvar, e=e: (v + logvar.exp().mean(0) + e) / (v + e)),
            )
            for e in (1e-4, 1e-5, 1e-6)
        ),
        rtol=1e-3,
    ),
)

QUESTIONS = (
    Question("ex-09-components", "mixture_log_density", minutes=20, checks=_COMPONENTS),
    Question("ex-09-means", "lost_nats", minutes=20, checks=_MEANS),
    Question("ex-09-coins", "frechet_parts", minutes=25, checks=FRECHET),
    Question("ex-09-seeds", "chance_apart", minutes=15, checks=SEEDS),
)
