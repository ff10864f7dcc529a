"""Checks of chapter 2, the ELBO."""

import itertools
import math

import torch
from torch import distributions as td

from .chapter_02_pixel import HAND
from .chapter_02_terms import ABOVE, ENTROPY
from .engine import Question, values
from .part_values import part_values


def _categorical(masses):
    return td.Categorical(probs=masses.double())


# -- a blank page ---------------------------------------------------------------------------------


def _tables(generator):
    joint = 0.02 + torch.rand(4, generator=generator) / 5
    return joint, torch.randn(4, generator=generator).softmax(0)


def _gap(joint, q):
    return td.kl_divergence(_categorical(q), _categorical(joint))


def _log_evidence(joint, q):
    return joint.double().sum().log()


def _elbo(joint, q):
    return _log_evidence(joint, q) - _gap(joint, q)


def _over_pairs(joint, q, value, pairs):
    """Mean of value(w_i, w_j) over pairs of codes, each pair with the mass q_i q_j."""
    q, w = q.tolist(), (joint / q).tolist()
    pairs = list(pairs)
    total = sum(q[i] * q[j] * value(w[i], w[j]) for i, j in pairs)
    return torch.tensor(total / sum(q[i] * q[j] for i, j in pairs))


def _log_mean(v, w):
    return math.log((v + w) / 2)


def _two(joint, q):
    return _over_pairs(joint, q, _log_mean, itertools.product(range(4), repeat=2))


ONE_WAY = (
    (
        "this is log p(x) itself, the logarithm of the mean: the ELBO is the mean of the logarithm",
        _log_evidence,
    ),
    ("the entropy is missing: the mean of log w contains -log q too", lambda p, q: q @ p.log()),
    ("the codes weigh the same here: the mean is under q", lambda p, q: (p / q).log().mean()),
    (
        "this averages over the posterior, which gives a bound from above: average over q",
        lambda p, q: (p / p.sum()) @ (p / q).log(),
    ),
)

TWO_WAYS = (
    (
        "this is the KL from the posterior to q: the draws of the gap come from q",
        lambda p, q: td.kl_divergence(_categorical(p), _categorical(q)),
    ),
    (
        "the joint is no distribution of z, its sum is p(x): divide by it to get the posterior",
        lambda p, q: q @ (q / p).log(),
    ),
)

THREE_WAYS = (
    ("this is log p(x): take the logarithm of each pair's mean first, then average", _log_evidence),
    ("this is the ELBO, with one weight: average two weights inside the logarithm", _elbo),
    (
        "the two weights are summed: inside the logarithm stands their mean",
        lambda p, q: _two(p, q) + math.log(2),
    ),
    (
        "the two draws are independent: both may fall on the same code",
        lambda p, q: _over_pairs(p, q, _log_mean, itertools.combinations(range(4), 2)),
    ),
    (
        "pairs of codes weigh the same here: a pair has the mass q_i q_j",
        lambda p, q: _over_pairs(
            p / q, torch.ones_like(q), _log_mean, itertools.product(range(4), repeat=2)
        ),
    ),
)

BLANK = Question(
    "ex-02-blank",
    "three_ways",
    minutes=25,
    checks=(
        part_values("the bound", _tables, _elbo, ONE_WAY, part=0, of=3),
        part_values("the gap", _tables, _gap, TWO_WAYS, part=1, of=3),
        part_values("the bound with two weights", _tables, _two, THREE_WAYS, part=2, of=3),
    ),
)


# -- two modes ------------------------------------------------------------------------------------


def _rows(generator, empty_q, empty_p):
    """Masses q and log-masses of the posterior, rows of 8 cells, some of them empty."""
    q, p = torch.rand(2, 4, 8, generator=generator) + 0.1
    q = torch.where(torch.arange(8) < torch.tensor(empty_q)[:, None], torch.zeros_like(q), q)
    p = torch.where(torch.arange(8) < torch.tensor(empty_p)[:, None], torch.zeros_like(p), p)
    return q / q.sum(1, keepdim=True), (p / p.sum(1, keepdim=True)).log()


def _empty_q(generator):
    return _rows(generator, [0, 1, 3, 4], [0, 0, 1, 2])


def _empty_posterior(generator):
    return _rows(generator, [0, 0, 0, 0], [0, 0, 1, 3])


def _grid_gap(q, log_posterior):
    """Row by row and cell by cell, with 0 log 0 = 0 and a log a / 0 = inf."""
    rows = zip(q.tolist(), log_posterior.tolist(), strict=True)
    return torch.tensor([sum(_cell(a, b) for a, b in zip(*row, strict=True)) for row in rows])


def _cell(mass, log_p):
    return mass * (math.log(mass) - log_p) if mass else 0.0


MODES_SLIPS = (
    (
        "this is KL(posterior || q): the gap averages over q, which comes first",
        lambda q, log_p: _grid_gap(log_p.exp(), q.log()),
    ),
    (
        "this is the cross term alone: the entropy of q is missing",
        lambda q, log_p: _grid_gap(q, log_p) + td.Categorical(probs=q).entropy(),
    ),
    (
        "the cells are averaged: an expectation is a sum over masses",
        lambda q, log_p: _grid_gap(q, log_p) / 8,
    ),
)

LEFT_OUT = (
    (
        "cells where the posterior is 0 are left out: mass of q there costs infinitely",
        lambda q, log_p: torch.where(
            log_p.isfinite(), q * (q.log() - log_p), torch.zeros_like(q)
        ).sum(1),
    ),
)

MODES = Question(
    "ex-02-modes",
    "gap_on_grid",
    minutes=25,
    checks=(
        part_values(
            "q is zero in places",
            _empty_q,
            _grid_gap,
            MODES_SLIPS,
            broken="a cell where q is 0 costs nothing, whatever the posterior is there, and 0 "
            "times infinity is no number: leave it out with torch.where",
        ),
        values(
            "the posterior is zero where q is not",
            _empty_posterior,
            _grid_gap,
            LEFT_OUT + MODES_SLIPS,
        ),
    ),
)

QUESTIONS = (BLANK, HAND, ENTROPY, ABOVE, MODES)
