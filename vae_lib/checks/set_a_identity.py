"""Checks of log p(x) = ELBO + KL to the posterior on a table of codes, for problem set A."""

import torch
from torch.distributions import Categorical, kl_divergence

from .engine import Question, values


def _table(generator):
    prior, q = (torch.randn(5, generator=generator).softmax(0) for _ in range(2))
    return prior, 0.05 + 0.9 * torch.rand(5, generator=generator), q


def _table_with_zeros(generator):
    prior, likelihood, q = _table(generator)
    q = q * (torch.arange(5) != torch.randint(5, (), generator=generator))
    return prior, likelihood, q / q.sum()


def _split(prior, likelihood, q):
    """By torch.distributions: the evidence, and the KL to the posterior; the rest is the ELBO."""
    evidence = prior @ likelihood
    gap = _kl_of(q, prior * likelihood / evidence)
    return evidence.log(), evidence.log() - gap, gap


def _kl_of(q, p):
    return kl_divergence(Categorical(probs=q), Categorical(probs=p))


def _with_gap(gap):
    return lambda prior, likelihood, q: (
        *_split(prior, likelihood, q)[:2],
        gap(q, prior, prior * likelihood),
    )


def _with_elbo(formula):
    def split(prior, likelihood, q):
        log_px, _, gap = _split(prior, likelihood, q)
        return log_px, formula(q @ likelihood.log(), _kl_of(q, prior)), gap

    return split


def _mean_log(prior, likelihood, q):
    _, bound, gap = _split(prior, likelihood, q)
    return prior @ likelihood.log(), bound, gap


IDENTITY = Question(
    "set-a-identity",
    "split_evidence",
    minutes=25,
    checks=(
        values(
            "log p(x), ELBO and gap of five codes",
            _table,
            _split,
            mistakes=(
                (
                    "the gap is the KL to the posterior; this is the KL to the prior",
                    _with_gap(lambda q, prior, joint: _kl_of(q, prior)),
                ),
                (
                    "this gap is KL(posterior || q): the two are swapped",
                    _with_gap(lambda q, prior, joint: _kl_of(joint / joint.sum(), q)),
                ),
                (
                    "the gap is measured to the joint p(x, z), which does not sum to 1",
                    _with_gap(lambda q, prior, joint: (q * (q / joint).log()).sum()),
                ),
                (
                    "the ELBO lacks its KL: this is the reconstruction term alone",
                    _with_elbo(lambda reconstruction, kl: reconstruction),
                ),
                (
                    "in the ELBO the KL to the prior is added; it is subtracted",
                    _with_elbo(lambda reconstruction, kl: reconstruction + kl),
                ),
                ("log p(x) is the log of the mean, not the mean of the log", _mean_log),
            ),
            points=5,
        ),
        values("a q that leaves a code out", _table_with_zeros, _split, points=2),
    ),
)
