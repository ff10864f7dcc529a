"""Checks of the two parts of a Fréchet distance, and of how many runs it takes (chapter 9)."""

import math

import torch

from .engine import values


def _features(generator):
    # float64, as features are: a root of an eigenvalue near 0 would lose half the digits
    a, b = (torch.randn(30, 4, generator=generator).double() for _ in range(2))
    mixing = torch.randn(4, 4, generator=generator).double() + torch.eye(4)
    return a @ mixing.T, b * torch.tensor([0.5, 1.0, 1.5, 2.0]) + 1


def _flat(generator):
    size = 0.5 + torch.rand(2, 4, generator=generator).double()
    size[0, 3] = size[1, 2] = 0  # neither set varies in all directions
    one = torch.cat([torch.eye(4), -torch.eye(4)]).double()
    turn, _ = torch.linalg.qr(torch.randn(4, 4, generator=generator).double())
    return one * size[0] @ turn, one * size[1] @ turn + torch.rand(4, generator=generator)


def _parts(root, place=lambda gap: gap.square().sum(), two=2.0, correction=1):
    def parts(a, b):
        C_a, C_b = (torch.cov(c.T, correction=correction) for c in (a, b))
        spread = C_a.trace() + C_b.trace() - two * root(C_a, C_b)
        return place(a.mean(0) - b.mean(0)), spread

    return parts


def _root(C_a, C_b):
    return torch.linalg.eigvals(C_a @ C_b).real.clamp_min(0).sqrt().sum()


def _own_root(C):
    size, direction = torch.linalg.eigh(C)
    return direction * size.clamp_min(0).sqrt() @ direction.T


FRECHET = (
    values(
        "features that vary together",
        _features,
        _parts(_root),
        mistakes=(
            (
                "the root of a matrix is not the roots of its entries",
                _parts(lambda C_a, C_b: (C_a @ C_b).diagonal().clamp_min(0).sqrt().sum()),
            ),
            (
                "only the variances are compared: features vary together",
                _parts(lambda C_a, C_b: (C_a.diagonal() * C_b.diagonal()).sqrt().sum()),
            ),
            (
                "the root of a product is not the product of the roots",
                _parts(lambda C_a, C_b: (_own_root(C_a) @ _own_root(C_b)).trace()),
            ),
            ("the cross term counts twice", _parts(_root, two=1.0)),
            ("the part of the means comes first", lambda a, b: _parts(_root)(a, b)[::-1]),
            ("torch.cov divides by N - 1", _parts(_root, correction=0)),
            ("the root of the product is missing", _parts(lambda C_a, C_b: (C_a @ C_b).trace())),
            ("the means are compared by their squared distance", _parts(_root, torch.norm)),
            (
                "the squares are summed over the features, not averaged",
                _parts(_root, lambda gap: gap.square().mean()),
            ),
        ),
        atol=1e-3,
        rtol=1e-3,
    ),
    values(
        "features that do not vary in every direction",
        _flat,
        _parts(_root),
        rounds=6,  # whether an eigenvalue of 0 comes out below 0 is chance
        atol=5e-3,
    ),
)

# -- how many runs --------------------------------------------------------------------------------


def _few(generator, scores):
    n, m = (torch.randperm(4, generator=generator)[:2] + 2).tolist()
    return (n, m, 1) if scores == 1 else (n, n, scores)


def _apart(n, m):
    # the ranks of the n runs, all choices equally likely: at the bottom or at the top
    return 2 * math.exp(math.lgamma(n + 1) + math.lgamma(m + 1) - math.lgamma(n + m + 1))


SEEDS = (
    values(
        "one score, different numbers of runs",
        lambda generator: _few(generator, 1),
        lambda n, m, scores: _apart(n, m),
        mistakes=(
            ("either model may lie below the other", lambda n, m, scores: _apart(n, m) / 2),
            (
                "the two models may have different numbers of runs",
                lambda n, m, scores: 2 / math.comb(2 * n, n),
            ),
            ("one run of the n + m is no coin of its own", lambda n, m, scores: 2 * 0.5 ** (n + m)),
            ("one pair is no coin of its own", lambda n, m, scores: 2 * 0.5 ** (n * m)),
        ),
        rounds=5,
    ),
    values(
        "several scores",
        lambda generator: _few(generator, int(torch.randint(3, 12, (), generator=generator))),
        lambda n, m, scores: 1 - (1 - _apart(n, m)) ** scores,
        mistakes=(
            (
                "chances of several scores do not add up; ten times 0.2 is no chance",
                lambda n, m, scores: scores * _apart(n, m),
            ),
            (
                "this is the chance that all the scores lie apart; one is enough",
                lambda n, m, scores: _apart(n, m) ** scores,
            ),
            (
                "either model may lie below the other",
                lambda n, m, scores: 1 - (1 - _apart(n, m) / 2) ** scores,
            ),
            ("the number of scores is not used", lambda n, m, scores: _apart(n, m)),
            (
                "this is the chance that no score lies apart",
                lambda n, m, scores: (1 - _apart(n, m)) ** scores,
            ),
        ),
    ),
)
