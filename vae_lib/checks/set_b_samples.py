"""Checks of problem set B on samples: codes drawn from a fit, and a Fréchet distance."""

import torch

from .engine import Check, Question, Wrong, shape_of, untouched, values

# -- draws ----------------------------------------------------------------------------------------

DRAWS = 4000


def _codes(generator):
    """Codes far from N(0, I), whose latents vary together: (60, 3)."""
    root = torch.tensor([[7.0, 0.0, 0.0], [-6.0, 3.0, 0.0], [4.0, 4.0, 2.0]])
    noise = torch.randn(60, 3, generator=generator)
    shift = 15 + 10 * torch.rand(3, generator=generator)
    return noise @ root.T.to(noise) + shift


def _draw(ask, codes, seed=0):
    reply = ask(codes, DRAWS, seed=seed)
    untouched(reply)
    z, wanted = reply.value, torch.empty(DRAWS, 3)
    if shape_of(z) != shape_of(wanted):
        raise Wrong(f"it returns {shape_of(z)}; {shape_of(wanted)} is expected")
    if not z.isfinite().all():
        raise Wrong("it returns values that are infinite or not a number")
    if (z.std(0) < 1e-3).any():
        raise Wrong("all draws are equal: each needs noise of its own")
    return z.double()


def _mean(ask, generator):
    codes = _codes(generator)
    z, mean = _draw(ask, codes), codes.double().mean(0)
    error = 6 * codes.double().std(0) / DRAWS**0.5
    if ((z.mean(0) - mean).abs() <= error).all():
        return
    if (z.mean(0).abs() < 2).all():
        raise Wrong("the draws lie around 0: the mean of the codes is not added")
    raise Wrong(f"the draws have the mean {z.mean(0)[0]:.3g} where the codes have {mean[0]:.3g}")


def _covariance(ask, generator):
    codes = _codes(generator)
    got, cov = torch.cov(_draw(ask, codes).T), torch.cov(codes.double().T)
    root = torch.linalg.cholesky(cov)
    scale = cov.diagonal().sqrt()

    def near(target):
        size = target.diagonal().sqrt()
        return ((got - target).abs() <= 0.12 * size[:, None] * size).all()

    if near(cov):
        return
    known = (
        (torch.diag(cov.diagonal()), "the latents vary together: the covariances are left out"),
        (root.T @ root, "the root L stands on the wrong side: a row of noise becomes L eps"),
        (codes.double().T @ codes.double() / len(codes), "take the mean off before the products"),
        (cov @ cov, "the covariance is used as its own root, as a variance for a sigma"),
        (torch.diag(cov.diagonal().square()), "a variance is used as a standard deviation"),
        (torch.eye(3).to(cov), "the spread of the codes is not used: this is N(mean, I)"),
        (torch.ones(3, 3).to(cov) * scale[:, None] * scale, "all latents share one noise"),
    )
    for target, hint in known:
        if near(target):
            raise Wrong(hint)
    worst = int((got - cov).abs().argmax())
    raise Wrong(f"a covariance is {got.flatten()[worst]:.3g}, not {cov.flatten()[worst]:.3g}")


def _fresh(ask, generator):
    codes = _codes(generator)
    one, two = (_draw(ask, codes, seed=seed) for seed in (1, 2))
    if torch.equal(one, two):
        raise Wrong("two calls give the same draws: no seed belongs inside")
    apart = torch.cdist(codes.double(), codes.double()).fill_diagonal_(float("inf"))
    nearest = torch.cdist(one[:500], codes.double()).amin(1)
    if nearest.median() < 0.4 * apart.amin(1).median():  # also with a little noise on them
        raise Wrong("these are training codes drawn again: draw from the Gaussian fitted to them")
    if len(one.unique(dim=0)) < DRAWS - 5:
        raise Wrong("some draws are repeated")
    share = torch.cov(one.T).trace() / torch.cov(codes.double().T).trace()
    if not 0.4 < share < 2.5:  # so that noise of any kind earns nothing
        raise Wrong(f"the draws vary {share:.2g} times as much as the codes")


DRAW = Question(
    "set-b-draw",
    "draw_codes",
    minutes=30,
    checks=(
        Check("the mean of 4000 draws", _mean, points=2),
        Check("the covariance of 4000 draws", _covariance, points=4),
        Check("new draws at every call", _fresh, points=2),
    ),
)

# -- a distance of Gaussians ----------------------------------------------------------------------


def _gaussians(generator):
    # float64, as moments are: a root of an eigenvalue near 0 would lose half the digits
    mean_a, mean_b = torch.randn(2, 4, generator=generator).double()
    roots = torch.randn(2, 4, 4, generator=generator).double() + torch.eye(4)
    cov_a, cov_b = roots @ roots.mT / 2
    return mean_a, cov_a, mean_b, cov_b


def _flat(generator):
    """Gaussians that do not vary in every direction, along the axes."""
    mean_a, _, mean_b, _ = _gaussians(generator)
    size = 0.5 + 2 * torch.rand(2, 4, generator=generator).double()
    size[0, 3] = size[1, 2] = 0
    return mean_a, torch.diag(size[0]), mean_b, torch.diag(size[1])


def _root(a, b):
    # the eigenvalues of a b are real and not negative, as those of any two covariances
    return torch.linalg.eigvals(a @ b).real.clamp_min(0).sqrt().sum()


def _frechet(cross=_root, two=2.0, means=lambda gap: gap.square().sum(), traces=1.0):
    def distance(mean_a, cov_a, mean_b, cov_b):
        spread = traces * (cov_a.trace() + cov_b.trace()) - two * cross(cov_a, cov_b)
        return means(mean_a - mean_b) + spread

    return distance


def _both(a, b):
    return (a.diagonal() * b.diagonal()).sqrt().sum()


FRECHET = Question(
    "set-b-frechet",
    "frechet",
    minutes=30,
    checks=(
        values(
            "features that vary together",
            _gaussians,
            _frechet(),
            mistakes=(
                (
                    "the root of a matrix is not the roots of its entries",
                    _frechet(lambda a, b: (a @ b).clamp_min(0).sqrt().trace()),
                ),
                ("only the variances are used: features vary together", _frechet(_both)),
                ("a product of covariances is not symmetric: eigvalsh reads half of it",
                 _frechet(lambda a, b: torch.linalg.eigvalsh(a @ b).clamp_min(0).sqrt().sum())),
                ("the cross term counts twice", _frechet(two=1.0)),
                ("the two traces are missing", _frechet(traces=0.0)),
                (
                    "only the means are compared: the spread is a part of the distance",
                    _frechet(two=0.0, traces=0.0),
                ),
                ("only the spread is compared: the means differ too", _frechet(
                    means=lambda gap: 0)),
                ("the means are compared by their squared distance", _frechet(means=torch.norm)),
                (
                    "the squares are summed over the features, not averaged",
                    _frechet(means=lambda gap: gap.square().mean()),
                ),
                ("this is the root of the distance: the squared one is asked for",
                 lambda *moments: _frechet()(*moments).sqrt()),
                (
                    "the matrix has no root yet: this is the trace of the product",
                    _frechet(lambda a, b: (a @ b).trace()),
                ),
            ),
            points=6,
            rtol=1e-3,
            atol=1e-3,
        ),
        values("features that do not vary in every direction", _flat, _frechet(), points=2,
               atol=5e-3),
    ),
)  # fmt: skip
