"""Likelihoods: the tiling test, means against quadrature and sums, draws against means."""

import math

import pytest
import torch
from test_distributions import unit_quadrature

from vae_lib import distributions as d
from vae_lib import likelihoods as lk

ALL = [
    lk.Bernoulli(),
    lk.Gaussian(0.3, learned=True),
    lk.ContinuousBernoulli(),
    lk.DiscretizedLogistic(0.1),
]
NAMES = [type(likelihood).__name__ for likelihood in ALL]


def check_tiling(log_prob):
    """Twice the pixels give twice the nats; an image's nats do not depend on its batch."""
    x = torch.randint(0, 2, (3, 2, 4, 5)).double()
    params = torch.randn(3, 2, 4, 5, dtype=torch.float64)
    one = log_prob(x, params)
    assert one.shape == (3,)
    for side in (1, 2, 3):
        twice = log_prob(torch.cat([x, x], side), torch.cat([params, params], side))
        torch.testing.assert_close(twice, 2 * one)
    torch.testing.assert_close(log_prob(x.repeat(2, 1, 1, 1), params.repeat(2, 1, 1, 1)),
                               one.repeat(2))  # fmt: skip
    torch.testing.assert_close(log_prob(x[1:2], params[1:2]), one[1:2])


def check_kl_tiling(gaussian_kl):
    """Twice the latents give twice the KL; an image's KL does not depend on its batch."""
    mu, logvar = torch.randn(2, 4, 3, dtype=torch.float64)
    one = gaussian_kl(mu, logvar)
    torch.testing.assert_close(gaussian_kl(mu.repeat(1, 2), logvar.repeat(1, 2)), 2 * one)
    torch.testing.assert_close(gaussian_kl(mu.repeat(2, 1), logvar.repeat(2, 1)), one.repeat(2))


@pytest.mark.parametrize("likelihood", ALL, ids=NAMES)
def test_tiling(likelihood):
    check_tiling(likelihood.log_prob)


def test_kl_tiling():
    check_kl_tiling(d.gaussian_kl)


def moments(likelihood, params):
    """Mean and variance of each pixel's distribution, by quadrature or by summing masses."""
    if isinstance(likelihood, lk.Gaussian):
        return params, torch.full_like(params, likelihood.logvar.exp().item())
    if isinstance(likelihood, lk.ContinuousBernoulli):
        points, weights = unit_quadrature()
    else:
        n = 2 if isinstance(likelihood, lk.Bernoulli) else 256
        points = torch.linspace(0, 1, n, dtype=torch.float64)
        weights = torch.ones_like(points)
    grid = points[:, None].expand(-1, len(params)).reshape(-1, 1)
    log_p = likelihood.log_prob(grid, params.expand(len(points), -1).reshape(-1, 1))
    mass = weights[:, None] * log_p.exp().view(len(points), -1)
    mean = (points[:, None] * mass).sum(0)
    return mean, ((points[:, None] - mean) ** 2 * mass).sum(0)


@pytest.mark.parametrize("likelihood", ALL, ids=NAMES)
@torch.no_grad()
def test_mean_and_draws(likelihood, n=20_000):
    """`mean` is the mean, and draws have that mean and variance within 5 standard errors."""
    params = torch.tensor([-3.0, -0.05, 0.0, 0.004, 0.5, 1.1, 4.0], dtype=torch.float64)
    mean, variance = moments(likelihood, params)
    torch.testing.assert_close(likelihood.mean(params[None])[0], mean, atol=2e-5, rtol=0)
    draws = likelihood.draw(params.expand(n, -1), torch.Generator().manual_seed(0))
    error = (draws.mean(0) - mean).abs()
    assert (error <= 5 * (variance / n).sqrt() + 1e-5).all()
    # the standard error of a variance is at most sqrt(E (x - mean)^4 / n)
    fourth = (draws - mean).pow(4).mean(0)
    assert ((draws.var(0) - variance).abs() <= 5 * (fourth / n).sqrt() + 1e-5).all()


@pytest.mark.parametrize("likelihood", ALL, ids=NAMES)
def test_draws_follow_their_generator(likelihood):
    params = torch.randn(2, 1, 4, 4)
    one, again = (likelihood.draw(params, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(one, again)
    assert not torch.equal(one, likelihood.draw(params))


@pytest.mark.parametrize("uniform", [0.0, 1 - 2**-24], ids=["lowest", "highest"])
@pytest.mark.parametrize("likelihood", [ALL[0], *ALL[2:]], ids=[NAMES[0], *NAMES[2:]])
def test_draws_stay_in_the_unit_interval(likelihood, uniform, monkeypatch):
    """Also for the two extreme values of torch.rand, and for any parameters."""
    monkeypatch.setattr(torch, "rand", lambda shape, **_: torch.full(shape, uniform))
    params = torch.tensor([[-200.0, -50, -1, 0, 1, 50, 200]])
    draws = likelihood.draw(params)
    assert ((draws >= 0) & (draws <= 1)).all()
    assert torch.isfinite(likelihood.mean(params)).all()


def test_logistic_draws_are_grey_levels():
    levels = ALL[3].draw(torch.rand(2, 1, 8, 8)) * 255
    torch.testing.assert_close(levels, levels.round())


def test_sigma_is_a_standard_deviation():
    x, params = torch.zeros(1, 4), torch.full((1, 4), 0.5)
    theirs = torch.distributions.Normal(0.5, 0.3).log_prob(torch.zeros(4)).sum()
    torch.testing.assert_close(lk.Gaussian(0.3).log_prob(x, params)[0], theirs)
    for sigma in (0, -1.0):
        with pytest.raises(ValueError, match="standard deviation"):
            lk.Gaussian(sigma)


def test_learned_sigma_finds_the_residual():
    """The best sigma is the root mean squared error; a fixed one has no gradient."""
    x, params = torch.zeros(8, 50), 0.2 * torch.randn(8, 50)
    likelihood = lk.Gaussian(1.0, learned=True)
    optimizer = torch.optim.Adam(likelihood.parameters(), 0.1)
    for _ in range(200):
        optimizer.zero_grad()
        (-likelihood.log_prob(x, params).mean()).backward()
        optimizer.step()
    best = params.square().mean().log().item()
    assert abs(likelihood.logvar.item() - best) < 1e-3
    assert not lk.Gaussian(1.0).logvar.requires_grad


def test_units_are_nats():
    """A uniform Bernoulli pixel costs ln 2: 784 of them 543.4 nats."""
    logits = torch.zeros(1, 784)
    log_p = lk.Bernoulli().log_prob(torch.ones(1, 784), logits).item()
    assert abs(log_p + 784 * math.log(2)) < 1e-3
    assert abs(lk.ContinuousBernoulli().log_prob(torch.rand(1, 784), logits).item()) < 1e-3


def test_make_likelihood():
    for name, kind in lk.LIKELIHOODS.items():
        assert isinstance(lk.make_likelihood(name), kind)
    assert lk.make_likelihood(ALL[0]) is ALL[0]
    with pytest.raises(ValueError, match=r"bernoulli.*got 'poisson'"):
        lk.make_likelihood("poisson")
