"""Checks of problem set B on nats: a likelihood of counts, and a held-out log p(x) with it."""

import math

import torch
import torch.nn.functional as F
from torch.distributions import Binomial

from .calling import Made
from .engine import Question, values
from .part_values import part_values

COINS = 16  # of every pixel: the file counts 0 to 16


def binomial_log_prob(counts, logits):
    """log p(x) of counts of 16 coins with P(on) = sigmoid(logits): (..., D) -> (...) nats.

    What the grader can put in the place of an answer to set-b-counts.
    """
    on = F.logsigmoid(logits) * counts + F.logsigmoid(-logits) * (COINS - counts)
    top = math.lgamma(COINS + 1)
    ways = top - torch.lgamma(counts + 1) - torch.lgamma(COINS + 1 - counts)
    return (ways + on).sum(-1)


# -- the likelihood -------------------------------------------------------------------------------


def _images(generator, images=(5,), codes=(5,), spread=2.0):
    counts = torch.randint(COINS + 1, (*images, 6), generator=generator).float()
    return counts.to(torch.get_default_dtype()), spread * torch.randn(
        (*codes, 6), generator=generator
    )


def _sure_pairs(generator):
    counts, logits = _images(generator, (1, 4), (3, 1))
    return counts, 150 * logits.sign() + 10 * logits


def _pixels(counts, logits, total=COINS):
    return Binomial(total, logits=logits.double(), validate_args=False).log_prob(counts.double())


def _ways(counts):
    return torch.tensor([math.log(math.comb(COINS, int(c))) for c in counts.flatten()]).view(
        counts.shape
    )


def _nats(counts, logits):
    return _pixels(counts, logits).sum(-1)


def _one_coin(counts, logits):
    return -F.binary_cross_entropy_with_logits(logits, counts / COINS, reduction="none").sum(-1)


LIKELIHOOD = Question(
    "set-b-counts",
    "binomial_log_prob",
    minutes=30,
    checks=(
        values(
            "five images, by their logits",
            _images,
            _nats,
            mistakes=(
                (
                    "the number of ways is missing: many orders of the coins give one count",
                    lambda x, logits: (_pixels(x, logits) - _ways(x)).sum(-1),
                ),
                (
                    "this is one coin a pixel, with grey values: each pixel counts 16 coins",
                    _one_coin,
                ),
                (
                    "this is the mean over the pixels; independent pixels add up",
                    lambda x, logits: _pixels(x, logits).mean(-1),
                ),
                (
                    "the number of ways is a logarithm here: add log of it, not the number",
                    lambda x, logits: (_pixels(x, logits) - _ways(x) + _ways(x).exp()).sum(-1),
                ),
                (
                    "17 levels are the counts 0 to 16, so there are 16 coins, not 17",
                    lambda x, logits: _pixels(x, logits, COINS + 1).sum(-1),
                ),
                (
                    "the sigmoid is applied twice: these are logits already",
                    lambda x, logits: _nats(x, logits.sigmoid()),
                ),
                (
                    "the coins that are off are missing: 16 - x of them have their price too",
                    lambda x, logits: (_ways(x) + x * F.logsigmoid(logits)).sum(-1),
                ),
            ),
            points=5,
        ),
        part_values(
            "each of four images under each of three codes, logits near 150",
            _sure_pairs,
            _nats,
            broken="log(sigmoid) breaks down at large logits: use logsigmoid or softplus",
            points=3,
        ),
    ),
)

# -- held-out log p(x) ----------------------------------------------------------------------------


def _model(generator, scale=0.7):
    weight, bias = torch.randn(2, 5, generator=generator), torch.randn(5, generator=generator)
    counts = torch.randint(COINS + 1, (4, 5), generator=generator).to(weight)
    made = Made("affine_decoder", (scale * weight, scale * bias))
    return made, counts, torch.randn(6, 2, generator=generator)


def _far(generator):
    return _model(generator, scale=150.0)


def _table(made, counts, z):
    """log p(x given z), (M, B), in double precision."""
    weight, bias = (part.double() for part in made.args)
    return _nats(counts, (z.double() @ weight + bias)[:, None])


def _mixed(made, counts, z):
    return torch.logsumexp(_table(made, counts, z), 0) - math.log(len(z))


EVIDENCE = Question(
    "set-b-evidence",
    "log_evidence",
    minutes=30,
    checks=(
        values(
            "four images, six codes",
            _model,
            _mixed,
            mistakes=(
                (
                    "this is the mean of the logarithms: average the likelihoods, then take the "
                    "logarithm",
                    lambda *args: _table(*args).mean(0),
                ),
                (
                    "log M is missing: average over the codes, do not add",
                    lambda *args: torch.logsumexp(_table(*args), 0),
                ),
                (
                    "this takes the best code for each image, as if it were known",
                    lambda *args: _table(*args).amax(0),
                ),
                (
                    "this averages over the images: every image has its own log p(x)",
                    lambda made, x, z: torch.logsumexp(_table(made, x, z), 1) - math.log(len(x)),
                ),
                (
                    "this is the likelihood at the average code: average the likelihoods",
                    lambda made, x, z: _table(made, x, z.mean(0, keepdim=True))[0],
                ),
                (
                    "this is p(x), not its logarithm",
                    lambda *args: _mixed(*args).exp(),
                ),
            ),
            points=6,
        ),
        part_values(
            "images of thousands of nats",
            _far,
            _mixed,
            broken="the likelihoods underflow to 0: use torch.logsumexp",
            points=3,
            rtol=1e-4,
            atol=4.0,
        ),
    ),
    uses={"binomial_log_prob": "vae_lib.checks.set_b_nats:binomial_log_prob"},
)
