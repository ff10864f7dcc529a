"""Checks of chapter 2: the bound without its entropy, and the bound from above."""

import math

import torch
from torch import distributions as td

from .engine import Question, values
from .part_values import part_values

# -- forgetting the entropy -----------------------------------------------------------------------


def _linear(generator):
    W, b = torch.randn(3, 2, generator=generator), torch.randn(3, generator=generator)
    mu, logvar = torch.randn(2, 5, 2, generator=generator)
    s = 0.5 + torch.rand((), generator=generator).item()
    return torch.randn(5, 3, generator=generator), mu, logvar - 1, W, b, s


def _mean_over_q(f, mu, logvar):
    """E_q[f(z)] for a quadratic f: the mean of f at 2 J points reproduces both moments."""
    step = torch.exp(0.5 * logvar) * math.sqrt(mu.shape[1])
    moves = torch.cat([torch.eye(mu.shape[1]), -torch.eye(mu.shape[1])]).to(mu)
    return sum(f(mu + step * move) for move in moves) / len(moves)


def _log_px_z(x, z, W, b, s):
    return td.Normal(z @ W.T + b, s).log_prob(x).sum(1)


def _log_pz(z):
    return td.Normal(0.0, 1.0).log_prob(z).sum(1)


def _joint_term(x, mu, logvar, W, b, s):
    return _mean_over_q(lambda z: _log_px_z(x, z, W, b, s) + _log_pz(z), mu, logvar)


def _entropy(logvar):
    return td.Normal(0.0, torch.exp(0.5 * logvar)).entropy().sum(1)


def _at_mean(x, mu, logvar, W, b, s):
    return _log_px_z(x, mu, W, b, s) + _log_pz(mu)


JOINT_SLIPS = (
    ("this is log p(x, z = mu): the spread of q costs in both terms", _at_mean),
    (
        "the reconstruction is taken at z = mu: the spread of q costs there too",
        lambda x, mu, logvar, *model: _at_mean(x, mu, logvar, *model) - 0.5 * logvar.exp().sum(1),
    ),
    (
        "E_q[z^2] is mu^2 + sigma^2: the prior's term is taken at z = mu",
        lambda x, mu, logvar, *model: (
            _joint_term(x, mu, logvar, *model) + 0.5 * logvar.exp().sum(1)
        ),
    ),
    (
        "this is the ELBO: the entropy is in it",
        lambda x, mu, logvar, *model: _joint_term(x, mu, logvar, *model) + _entropy(logvar),
    ),
    (
        "this is the reconstruction alone: log p(x, z) contains log p(z) too",
        lambda x, mu, logvar, *model: _mean_over_q(lambda z: _log_px_z(x, z, *model), mu, logvar),
    ),
    (
        "sigma stands where sigma^2 belongs",
        lambda x, mu, logvar, *model: _joint_term(x, mu, logvar / 2, *model),
    ),
)

ENTROPY = Question(
    "ex-02-entropy",
    "joint_term",
    minutes=25,
    checks=(
        part_values(
            "the objective of five images",
            _linear,
            _joint_term,
            JOINT_SLIPS,
            shifted="is a constant missing, log 2 pi of a pixel or a latent, or log s?",
            points=2,
            rtol=1e-3,
            atol=1e-4,
        ),
    ),
)

# -- a bound from above ---------------------------------------------------------------------------


def _on_cells(generator):
    log_joint, log_q = torch.randn(2, 20, generator=generator)
    return 2 * log_joint - 4, 1.5 * log_q - 1


def _faint(generator):
    log_joint, log_q = _on_cells(generator)
    return log_joint - 1000, log_q


def _mean_log_weight(log_masses, log_joint, log_q):
    return td.Categorical(logits=log_masses.double()).probs @ (log_joint - log_q).double()


def _upper(log_joint, log_q):
    return _mean_log_weight(log_joint, log_joint, log_q)


def _turned_gap(log_joint, log_q):
    return td.kl_divergence(td.Categorical(logits=log_joint), td.Categorical(logits=log_q))


UPPER_SLIPS = (
    (
        "this averages over q, which is the ELBO, the bound from below: average over the posterior",
        lambda p, q: _mean_log_weight(q, p, q),
    ),
    (
        "this is KL(posterior || q) alone: log p(x) is missing",
        _turned_gap,
    ),
    (
        "the masses of the cells do not sum to 1: divide by their sum",
        lambda p, q: p.exp() @ (p - q),
    ),
    (
        "the weights p(x, z) / q make draws from q into draws from the posterior: a grid is not "
        "drawn, its posterior masses go with p(x, z) alone",
        lambda p, q: _mean_log_weight(p - q, p, q),
    ),
    (
        "this is the logarithm of a sum of weights: the posterior mean of log w is asked for",
        lambda p, q: torch.logsumexp(p - q, 0),
    ),
    ("all cells weigh the same here: weigh them by the posterior", lambda p, q: (p - q).mean()),
    (
        "this is the mean of log p(x, z): the weight is p(x, z) / q",
        lambda p, q: _mean_log_weight(p, p, 0 * q),
    ),
)

ABOVE = Question(
    "ex-02-above",
    "upper_bound",
    minutes=20,
    checks=(
        values("the bound on a grid", _on_cells, _upper, UPPER_SLIPS, points=2),
        part_values(
            "log-densities of -1,000 nats",
            _faint,
            _upper,
            rtol=0.02,
            broken="e^-1000 is stored as 0, and 0/0 is no number: torch.softmax divides before "
            "it takes exponentials",
        ),
    ),
)
