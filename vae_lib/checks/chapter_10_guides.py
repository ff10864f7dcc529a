"""Checks of a linear reader's step and of a test for copies (chapter 10)."""

import torch

from .engine import values

# -- a reader and a guide -------------------------------------------------------------------------


def _mixed(generator):
    mixing = torch.randn(3, 3, generator=generator) + torch.eye(3)
    codes = torch.randn(24, 3, generator=generator) @ mixing.T
    has = torch.arange(24) % 2 == 0
    return codes + has[:, None] * (1 + torch.rand(3, generator=generator)), has


def _along_axes(generator):
    size = 0.5 + torch.rand(2, 3, generator=generator) * torch.tensor([[0.5], [3.0]])
    one = torch.cat([torch.eye(3), -torch.eye(3)])
    codes = torch.cat([(one * size[0]).repeat(4, 1), one * size[1]])
    has = torch.arange(30) >= 24
    order = torch.randperm(30, generator=generator)
    return (codes + has[:, None] * (1 + torch.rand(3, generator=generator)))[order], has[order]


def _reader(codes, has):
    # least squares on the labels finds the direction of Fisher's discriminant
    centred, target = codes - codes.mean(0), has.to(codes) - has.to(codes).mean()
    return _as_long_as(_difference(codes, has), torch.linalg.lstsq(centred, target).solution)


def _difference(codes, has):
    return codes[has].mean(0) - codes[~has].mean(0)


def _as_long_as(other, step):
    return step * other.norm() / step.norm()


def _spread(codes, has):
    within = [c - c.mean(0) for c in (codes[has], codes[~has])]
    within = torch.cat(within)
    return within.T @ within / len(codes)


def _step(of):
    def step(codes, has):
        d = _difference(codes, has)
        return _as_long_as(d, of(codes, has, d))

    return step


def _half_each(correction):
    def of(codes, has, d):
        both = (torch.cov(c.T, correction=correction) for c in (codes[has], codes[~has]))
        return torch.linalg.solve(sum(both), d)

    return _step(of)


def _one_class(part):
    return _step(lambda codes, has, d: torch.linalg.solve(torch.cov(part(codes, has).T), d))


SHORT = "the step is not yet as long as the mean difference"
ONE = "the spread of one class is used; both classes count"
LARGER = "every code counts once, so the larger class counts more"


GUIDE = (
    values(
        "codes that vary together",
        _mixed,
        _reader,
        mistakes=(
            ("this is the guide, the mean difference; the reader is asked for", _difference),
            (
                "the spread is multiplied in: a reader plays down where both classes spread",
                _step(lambda codes, has, d: _spread(codes, has) @ d),
            ),
            (
                "only the variances are used: codes vary together",
                _step(lambda codes, has, d: d / _spread(codes, has).diagonal()),
            ),
            (
                SHORT,
                lambda codes, has: torch.linalg.solve(_spread(codes, has), _difference(codes, has)),
            ),
            (SHORT, lambda codes, has: _reader(codes, has) / _reader(codes, has).norm()),
            (ONE, _one_class(lambda codes, has: codes[has])),
            (ONE, _one_class(lambda codes, has: codes[~has])),
        ),
        rtol=2e-3,
        atol=1e-3,
    ),
    values(
        "classes of different sizes",
        _along_axes,
        _reader,
        mistakes=(
            (LARGER, _half_each(0)),
            (LARGER, _half_each(1)),
            (ONE, _one_class(lambda codes, has: codes[has])),
            (ONE, _one_class(lambda codes, has: codes[~has])),
        ),
        rtol=2e-3,
        atol=1e-3,
    ),
)

# -- a thief --------------------------------------------------------------------------------------


def _equal_shelves(generator):
    x, train, test = (torch.randn(n, 3, generator=generator) for n in (21, 8, 8))
    return x, train, test


def _two_kinds(generator):
    """Unequal shelves, each of one kind: whatever the distance, the nearer shelf is plain."""
    n, m, near = (
        int(torch.randint(*r, (), generator=generator)) for r in ((6, 9), (2, 5), (4, 16))
    )
    x, train, test = (torch.randn(k, 3, generator=generator) for k in (21, n, m))
    kind = (torch.arange(21) >= near)[torch.randperm(21, generator=generator)]
    return x + 40.0 * kind[:, None], train, test + 40


def _score(side, chance=lambda n, m: n / (n + m)):
    def score(x, train, test):
        to_train, to_test = ((x[:, None] - y).norm(dim=2) for y in (train, test))
        nearer = side(to_train) < side(to_test)
        return nearer.double().mean() - chance(len(train), len(test))

    return score


def _nearest(distances):
    return distances.amin(1)


def _to_the_means(x, train, test):
    return _score(_nearest)(x, train.mean(0)[None], test.mean(0)[None])


def _gap(x, train, test):
    return torch.cdist(x, train).amin(1).mean() - torch.cdist(x, test).amin(1).mean()


THIEF = (
    values(
        "two shelves of one size",
        _equal_shelves,
        _score(_nearest),
        mistakes=(
            (
                "the mean distance is compared; a copy is near one image",
                _score(lambda d: d.mean(1)),
            ),
            ("the farthest image is compared", _score(lambda d: d.amax(1))),
            ("the distance to the mean image is compared", _to_the_means),
            ("images are counted, each for the nearer shelf; distances are not averaged", _gap),
            ("chance is not taken off", _score(_nearest, lambda n, m: 0)),
        ),
        rounds=5,
    ),
    values(
        "a larger shelf of training images",
        _two_kinds,
        _score(_nearest),
        mistakes=(
            (
                "chance is not one half: the shelves differ in size",
                _score(_nearest, lambda n, m: 0.5),
            ),
            ("chance is not taken off", _score(_nearest, lambda n, m: 0)),
            ("chance follows the training shelf", _score(_nearest, lambda n, m: m / (n + m))),
            ("a ratio of the shelves is no chance", _score(_nearest, lambda n, m: n / m)),
        ),
    ),
)
