"""The equations of chapter 5, the reparameterization trick.

Most are held to f(z) = a z^2 + b sin z with random a and b, whose mean under a Gaussian is
known; the mean itself is held to quadrature by the first test.
"""

import numpy as np
import pytest
import torch
from torch.autograd import grad
from torch.distributions import Exponential, Normal, kl_divergence

import vae_lib as vl

EPS = torch.linspace(-12, 12, 4001, dtype=torch.float64)
STANDARD = torch.exp(-EPS.square() / 2) / (2 * torch.pi) ** 0.5


def random_gaussians(n=20):
    """mu and sigma of n random Gaussians, as columns that require a gradient."""
    mu, sigma = torch.randn(n, 1, dtype=torch.float64), torch.rand(n, 1, dtype=torch.float64) + 0.2
    return mu.requires_grad_(), sigma.requires_grad_()


def random_f(n=20):
    """f, its slope and its mean under N(mu, sigma^2), for n random choices of a and b."""
    a, b = torch.randn(2, n, 1, dtype=torch.float64)
    return (
        lambda z: a * z**2 + b * torch.sin(z),
        lambda z: 2 * a * z + b * torch.cos(z),
        lambda mu, sigma: a * (mu**2 + sigma**2) + b * torch.exp(-(sigma**2) / 2) * torch.sin(mu),
    )


def over_eps(values):
    """E[values(eps)] for eps ~ N(0, 1): (n, points) -> (n, 1), by the trapezoid rule."""
    return torch.trapezoid(values * STANDARD, EPS).unsqueeze(1)


def grid_of(mu, sigma):
    """Points for quadrature in z that do not move with mu and sigma: (n, points)."""
    return (mu + sigma * EPS).detach()


def slopes(values, parameters):
    """The derivative of the i-th value in the i-th entry of each parameter, stacked."""
    return torch.stack(grad(values.sum(), parameters))


def gaussian_score(z, mu, sigma):
    """Both derivatives of log N(z; mu, sigma^2), typed as in the book."""
    return torch.stack([(z - mu) / sigma**2, ((z - mu) ** 2 - sigma**2) / sigma**3])


@pytest.mark.equation(by="quadrature", within=1e-9)
def test_eq_toy(check):
    """The mean of z^2 + sin z under a Gaussian, in closed form."""
    mu, sigma = random_gaussians()
    closed = mu**2 + sigma**2 + torch.exp(-(sigma**2) / 2) * torch.sin(mu)
    check.equal(closed, over_eps((mu + sigma * EPS) ** 2 + torch.sin(mu + sigma * EPS)))


@pytest.mark.equation(by="quadrature", within=1e-9)
def test_eq_toy_gradient(check):
    """Both derivatives of that mean, in closed form."""
    mu, sigma = random_gaussians()
    decay = torch.exp(-(sigma**2) / 2)
    by_mu, by_sigma = 2 * mu + decay * torch.cos(mu), 2 * sigma - sigma * decay * torch.sin(mu)
    mean = over_eps((mu + sigma * EPS) ** 2 + torch.sin(mu + sigma * EPS))
    check.equal(torch.stack([by_mu, by_sigma]), slopes(mean, (mu, sigma)))


@pytest.mark.equation(by="quadrature", within=1e-9)
def test_eq_swap(check):
    """The derivative of an integral over z is the integral of the density's derivative."""
    (mu, sigma), (f, _, mean) = random_gaussians(), random_f()
    z = grid_of(mu, sigma)
    m, s = mu.expand_as(z), sigma.expand_as(z)
    inside = slopes(Normal(m, s).log_prob(z).exp(), (m, s))  # the slope of q at every z
    outside = slopes(mean(mu, sigma), (mu, sigma))
    check.equal(outside, torch.trapezoid(f(z) * inside, z).unsqueeze(-1))


@pytest.mark.equation(by="quadrature", within=1e-9)
def test_eq_score(check):
    """The gradient of a mean is the mean of f times the score: Gaussians, and coins."""
    (mu, sigma), (f, _, mean) = random_gaussians(), random_f()
    z = grid_of(mu, sigma)
    score_mean = over_eps(f(z) * gaussian_score(z, mu, sigma)[0])
    score_sd = over_eps(f(z) * gaussian_score(z, mu, sigma)[1])
    check.equal(slopes(mean(mu, sigma), (mu, sigma)), torch.stack([score_mean, score_sd]))
    p = (0.1 + 0.8 * torch.rand(20, 1, dtype=torch.float64)).requires_grad_()
    on, off = f(torch.ones_like(p)), f(torch.zeros_like(p))
    scores = grad(p.log().sum(), p)[0], grad(torch.log1p(-p).sum(), p)[0]
    check.equal(on - off, p * on * scores[0] + (1 - p) * off * scores[1])


@pytest.mark.equation(by="autograd", within=1e-9)
def test_eq_gaussian_score(check):
    """The score of a Gaussian in its mean and in its standard deviation."""
    mu, sigma = random_gaussians()
    z = torch.randn(20, 1, dtype=torch.float64)
    log_q = Normal(mu, sigma).log_prob(z)
    check.equal(gaussian_score(z, mu, sigma), slopes(log_q, (mu, sigma)))


@pytest.mark.equation(by="quadrature", within=1e-9)
def test_eq_baseline(check):
    """Any constant may be taken from f without moving the mean of the estimator."""
    (mu, sigma), (f, _, mean) = random_gaussians(), random_f()
    z, b = grid_of(mu, sigma), 3 * torch.randn(20, 1, dtype=torch.float64)
    guesses = [over_eps((f(z) - b) * score) for score in gaussian_score(z, mu, sigma)]
    check.equal(torch.stack(guesses), slopes(mean(mu, sigma), (mu, sigma)))


@pytest.mark.equation(by="quadrature", within=1e-9)
def test_eq_best_baseline(check):
    """That baseline is the lowest point of the variance, a parabola in b."""
    (mu, sigma), (f, _, _) = random_gaussians(), random_f()
    z = grid_of(mu, sigma)
    for score in gaussian_score(z, mu, sigma):
        best = over_eps(f(z) * score**2) / over_eps(score**2)

        def variance(b, score=score):
            guess = (f(z) - b) * score
            return over_eps((guess - over_eps(guess)) ** 2)

        left, middle, right = variance(-1), variance(0), variance(1)
        assert (left + right > 2 * middle).all(), "the parabola must open upwards"
        check.equal(best, (left - right) / (left + right - 2 * middle) / 2)


@pytest.mark.equation(by="quadrature", within=1e-9)
def test_eq_reparameterization(check):
    """Built from noise, z has the distribution it should: means of any function agree."""
    mu, sigma = random_gaussians()
    built, z = mu + sigma * EPS, grid_of(mu, sigma)
    density = Normal(mu, sigma).log_prob(z).exp()
    for h in (lambda z: z, torch.square, torch.sigmoid, lambda z: torch.cos(3 * z)):
        check.equal(over_eps(h(built)), torch.trapezoid(h(z) * density, z).unsqueeze(1))


@pytest.mark.equation(by="quadrature", within=1e-9)
def test_eq_pathwise(check):
    """The gradient of the mean is the mean of the gradients along the draws."""
    (mu, sigma), (f, slope, mean) = random_gaussians(), random_f()
    exact = slopes(mean(mu, sigma), (mu, sigma))
    first_line = slopes(over_eps(f(mu + sigma * EPS)), (mu, sigma))
    z = mu + sigma * EPS
    second_line = torch.stack([over_eps(slope(z)), over_eps(slope(z) * EPS)])
    check.equal(first_line, exact)
    check.equal(second_line, exact)


@pytest.mark.equation(by="autograd", within=1e-9)
def test_eq_dz(check):
    """How a draw moves with its mean (by 1) and its standard deviation (by eps)."""
    mu, sigma = random_gaussians()
    eps = torch.randn(20, 1, dtype=torch.float64)
    typed = torch.stack([torch.ones_like(eps), eps])
    check.equal(typed, slopes(mu + sigma * eps, (mu, sigma)))


@pytest.mark.equation(by="autograd", within=1e-9)
def test_eq_dz_dlogvar(check):
    """How the library's draw moves with logvar: two ways to write it."""
    mu = torch.randn(20, 3, dtype=torch.float64)
    logvar = torch.randn(20, 3, dtype=torch.float64, requires_grad=True)
    z = vl.reparameterize(mu, logvar, torch.Generator().manual_seed(0))
    eps = torch.randn(mu.shape, generator=torch.Generator().manual_seed(0), dtype=mu.dtype)
    measured = slopes(z, (logvar,))[0]
    check.equal(0.5 * torch.exp(0.5 * logvar) * eps, measured)
    check.equal(0.5 * (z - mu), measured)


@pytest.mark.equation(by="quadrature", within=1e-9)
def test_eq_dimension_sd(check):
    """The spread of one score-function guess in J dimensions, plain and with best baseline."""
    nodes, weights = map(torch.from_numpy, np.polynomial.hermite_e.hermegauss(4))
    weights = weights / weights.sum()
    for J in range(1, 7):  # four nodes for each coordinate: exact up to degree 7, we need 6
        eps = torch.cartesian_prod(*[nodes] * J).view(-1, J)
        weight = torch.cartesian_prod(*[weights] * J).view(-1, J).prod(1)
        f = (1 + eps).square().sum(1)
        spreads = []
        for guess in (f * eps[:, 0], (f - (2 * J + 2)) * eps[:, 0], 2 * (1 + eps[:, 0])):
            spreads.append(((weight * guess**2).sum() - (weight * guess).sum() ** 2).sqrt())
        typed = [(4 * J**2 + 14 * J + 12) ** 0.5, (6 * J + 8) ** 0.5, 2]
        check.equal(typed, torch.stack(spreads))


@pytest.mark.equation(by="quadrature", within=1e-9)
def test_eq_kl_1d(check):
    """The KL of a Gaussian to N(0, 1): its definition, its closed form, and torch's."""
    mu, sigma = random_gaussians()
    p, q = Normal(torch.zeros_like(mu), torch.ones_like(mu)), Normal(mu, sigma)
    z = grid_of(mu, sigma)
    defined = over_eps(q.log_prob(z) - p.log_prob(z))
    closed = (mu**2 + sigma**2 - 1 - torch.log(sigma**2)) / 2
    check.equal(closed, defined)
    check.equal(closed, kl_divergence(q, p))


@pytest.mark.equation(by="quadrature", within=1e-6)
def test_eq_exponential(check):
    """The inverse CDF of the exponential, and the derivative of its mean in the rate."""
    rate = (0.3 + 2 * torch.rand(20, 1, dtype=torch.float64)).requires_grad_()
    u = torch.rand(20, 1, dtype=torch.float64)
    check.equal(1 - torch.exp(-rate * (-torch.log(1 - u) / rate)), u)
    check.equal(-torch.log(1 - u) / rate, Exponential(rate).icdf(u))
    z = torch.linspace(0, 40, 20_001, dtype=torch.float64) / rate.detach()
    mean = torch.trapezoid(z * rate * torch.exp(-rate * z), z).unsqueeze(1)
    check.equal(-1 / rate**2, slopes(mean, (rate,))[0])


def gamma_quantile(alpha, u):
    """z with F(z) = u for Gamma(alpha, 1), by bisection."""
    low, high = torch.zeros_like(u), torch.full_like(u, 60)
    for _ in range(70):
        middle = (low + high) / 2
        below = torch.special.gammainc(alpha, middle) < u
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return (low + high) / 2


@pytest.mark.equation(by="autograd", within=1e-6)
def test_eq_implicit(check):
    """How a draw moves at fixed u, from F and the density: Gaussian, exponential, gamma."""
    mu, sigma = random_gaussians()
    eps = torch.randn(20, 1, dtype=torch.float64)
    rate = (0.3 + torch.rand(20, 1, dtype=torch.float64)).requires_grad_()
    u = 0.1 + 0.8 * torch.rand(20, 1, dtype=torch.float64)
    for q, parameters, z in (
        (Normal(mu, sigma), (mu, sigma), mu + sigma * eps),
        (Exponential(rate), (rate,), -torch.log(1 - u) / rate),
    ):
        fixed = z.detach()
        implicit = -slopes(q.cdf(fixed), parameters) / q.log_prob(fixed).exp()
        check.equal(implicit, slopes(z, parameters))
    alpha, h = 0.5 + 4 * torch.rand(20, 1, dtype=torch.float64), 1e-5
    z = gamma_quantile(alpha, u)
    dF = (torch.special.gammainc(alpha + h, z) - torch.special.gammainc(alpha - h, z)) / (2 * h)
    density = torch.exp((alpha - 1) * z.log() - z - torch.lgamma(alpha))
    moved = (gamma_quantile(alpha + h, u) - gamma_quantile(alpha - h, u)) / (2 * h)
    check.equal(-dF / density, moved)
