"""Checks of chapter 1: log p(x) as a sum over a grid of codes."""

import math

import torch
from torch import distributions as td

from .engine import Question
from .part_values import part_values

# -- a sum you can finish -------------------------------------------------------------------------


def _few_pixels(generator):
    """Logits so small that no sigmoid rounds to 1 on a grid as far out as -12 to 12."""
    w, c = 0.7 * torch.randn(2, 4, generator=generator).clamp(-1.5, 1.5)
    x = (torch.rand(6, 4, generator=generator) < 0.5).to(w)
    return x, w, c


def _many_pixels(generator):
    w, c = 0.3 * torch.randn(2, 1500, generator=generator)
    x = (torch.rand(2, 1500, generator=generator) < 0.5).to(w)
    return x, w, c


def _cells(x, w, c, points=401):
    """log p(x_d given z) of every pixel as on and as off, and z, on a fine grid."""
    z = torch.linspace(-8, 8, points, dtype=torch.float64)
    x, logits = x.double(), z[:, None] * w.double() + c.double()
    softplus = torch.nn.functional.softplus(logits)
    return x, z, logits, softplus, math.log(16 / (points - 1))


def _given_code(x, w, c):
    """log p(x given z): (B, N), the codes z, and the log of a cell's width."""
    x, z, logits, softplus, log_width = _cells(x, w, c)
    return x @ logits.T - softplus.sum(1), z, log_width


def _image(x, w, c):
    log_px_z, z, log_width = _given_code(x, w, c)
    return torch.logsumexp(log_px_z + td.Normal(0.0, 1.0).log_prob(z) + log_width, 1)


def _each_pixel_alone(x, w, c):
    return sum(_image(x[:, [d]], w[[d]], c[[d]]) for d in range(len(w)))


def _mean_of_logs(x, w, c):
    log_px_z, z, log_width = _given_code(x, w, c)
    return log_px_z @ (td.Normal(0.0, 1.0).log_prob(z) + log_width).exp()


def _flat_prior(x, w, c):
    log_px_z, _, log_width = _given_code(x, w, c)
    return torch.logsumexp(log_px_z, 1) + log_width


def _on_pixels(x, w, c):
    x, z, logits, _, log_width = _cells(x, w, c)
    log_on = x @ torch.nn.functional.logsigmoid(logits).T
    return torch.logsumexp(log_on + td.Normal(0.0, 1.0).log_prob(z) + log_width, 1)


NO_PRIOR = "the prior p(z) is missing: a code far out counts as much as one near 0"
ENUMERATE = Question(
    "ex-01-enumerate",
    "log_p_image",
    minutes=20,
    checks=(
        part_values(
            "log p(x) of six images",
            _few_pixels,
            _image,
            points=2,
            rtol=1e-3,
            broken="far out a sigmoid rounds to 0 or 1, whose logarithms break: take "
            "log-probabilities from the logits",
            shifted="do the prior masses of your cells, density times width, sum to 1?",
            mistakes=(
                (
                    "each pixel has a sum over codes of its own: one code makes all pixels, so "
                    "multiply over the pixels first, inside the sum",
                    _each_pixel_alone,
                ),
                (
                    "the logarithms are averaged over the codes: average the probabilities, then "
                    "take the logarithm",
                    _mean_of_logs,
                ),
                (NO_PRIOR, _flat_prior),
                (NO_PRIOR, lambda *args: _flat_prior(*args) - math.log(401) - math.log(16 / 400)),
                (
                    "the width of a cell is missing: a density times a width is a mass",
                    lambda *args: _image(*args) - math.log(16 / 400),
                ),
                ("this is p(x): its logarithm is asked for", lambda *args: _image(*args).exp()),
                (
                    "the pixels that are off are missing: being off has a probability too",
                    _on_pixels,
                ),
                (
                    "this is log p(x given z = 0): no other code is in the sum",
                    lambda x, w, c: x @ c - torch.nn.functional.softplus(c).sum(),
                ),
            ),
        ),
        part_values(
            "1,500 pixels stay finite",
            _many_pixels,
            _image,
            rounds=1,
            rtol=5e-3,
            broken="a probability of e^-1000 is stored as 0: add log-probabilities, and let "
            "torch.logsumexp take the sum over the codes",
        ),
    ),
)
