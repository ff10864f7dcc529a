"""The equations of chapter 1, latent-variable models and the price of log p(x)."""

import math

import pytest
import torch
from torch import distributions as td

F64 = torch.float64


def normal(*shape):
    return torch.randn(shape, dtype=F64)


def uniform(low, high, *shape):
    return low + (high - low) * torch.rand(shape, dtype=F64)


def log_normal(x, mean, variance):
    """log N(x; mean, variance I), summed over the last dimension."""
    return -0.5 * ((x - mean).square() / variance + torch.log(2 * torch.pi * variance)).sum(-1)


def grid(points=2001, radius=10.0):
    """Codes z (N, 1) and the log of the prior mass of their cells."""
    z = torch.linspace(-radius, radius, points, dtype=F64)[:, None]
    return z, td.Normal(0.0, 1.0).log_prob(z)[:, 0] + math.log(2 * radius / (points - 1))


def random_map(J, D):
    """W (D, J), b (D,), the noise's variance, and a point x (D,) of the linear model."""
    W, b, variance = normal(D, J), normal(D), uniform(0.3, 1.0) ** 2
    return W, b, variance, W @ normal(J) + b + variance.sqrt() * normal(D)


def linear_evidence(W, b, variance):
    return td.MultivariateNormal(b, W @ W.T + variance * torch.eye(len(b), dtype=F64))


def joint_posterior(W, b, variance, x):
    """Mean and covariance of z given x, by conditioning the joint Gaussian of (z, x)."""
    gain = torch.linalg.solve(linear_evidence(W, b, variance).covariance_matrix, W).T
    return gain @ (x - b), torch.eye(W.shape[1], dtype=F64) - gain @ W


def curve(z, bend):
    return torch.cat([z, bend * (z**2 - 1)], 1)


@pytest.mark.equation(by="Monte Carlo", within=4)
def test_eq_mixture_evidence(check):
    """Draws of z, then x, and mean likelihoods over the prior, against p(x) integrated over z."""
    z, log_mass = grid(1001)
    for _ in range(4):
        bend, s, edge = uniform(0.5, 1.5), uniform(0.4, 0.8), uniform(-0.5, 0.5)
        codes = normal(60_000)
        drawn = bend * (codes**2 - 1) + s * normal(60_000)
        x = torch.linspace(-6, edge, 401, dtype=F64)
        density = (log_normal(x[:, None, None], bend * (z**2 - 1), s**2) + log_mass).exp().sum(1)
        # the first line: how often a draw of the model falls below the edge
        check.mean((drawn < edge).double(), torch.trapezoid(density, x))
        # the second line, at the edge: the likelihood averaged over draws of the prior
        check.mean(
            log_normal(edge[None], bend * (codes[:, None] ** 2 - 1), s**2).exp(), density[-1]
        )


@pytest.mark.equation(by="quadrature", within=1e-6)
def test_eq_mixture_finite(check):
    """The mixture of K equal bumps at prior quantiles, for large K, and the integral over z."""
    codes = td.Normal(0.0, 1.0).icdf((torch.arange(20_000, dtype=F64) + 0.5) / 20_000)[:, None]
    z, log_mass = grid()
    for _ in range(10):
        bend, s = uniform(0.5, 1.5), uniform(0.3, 0.8)
        x = curve(normal(1, 1), bend) + s * normal(1, 2)
        bumps = log_normal(x, curve(codes, bend), s**2).exp()
        integral = (log_normal(x, curve(z, bend), s**2) + log_mass).exp().sum()
        check.equal(torch.log(bumps.mean()), torch.log(integral))


@pytest.mark.equation(by="exact", within=1e-9)
def test_eq_density_units(check):
    """The log-density of a Gaussian vector in new units, against one of scaled moments."""
    for D in (1, 2, 5):
        factor, mean, root, x = uniform(0.2, 5.0), normal(D), normal(D, D), normal(D)
        cov = root @ root.T + torch.eye(D, dtype=F64)
        scaled = td.MultivariateNormal(factor * mean, factor**2 * cov).log_prob(factor * x)
        check.equal(scaled, td.MultivariateNormal(mean, cov).log_prob(x) - D * factor.log())


@pytest.mark.equation(by="quadrature", within=1e-8)
def test_eq_grid_sum(check):
    """The sum over a grid of one or two latents, and log p(x) of the linear model."""
    for J in (1, 2):
        for _ in range(5):
            W, b, variance, x = random_map(J, 3)
            line = torch.linspace(-8, 8, 201, dtype=F64)
            z = torch.cartesian_prod(*[line] * J).view(-1, J)
            prior = td.Normal(0.0, 1.0).log_prob(z).sum(1)
            terms = log_normal(x, z @ W.T + b, variance) + prior + J * math.log(16 / 200)
            check.equal(terms.exp().sum().log(), linear_evidence(W, b, variance).log_prob(x))


@pytest.mark.equation(by="exact", within=1e-9)
def test_eq_grid_logsumexp(check):
    """The log of a sum of exponentials, with and without the largest term factored out."""
    for _ in range(20):
        a = 20 * normal(10)
        check.equal(a.max() + (a - a.max()).exp().sum().log(), a.exp().sum().log())
        far = a - 2000  # exp of these is zero in every precision
        check.equal(far.max() + (far - far.max()).exp().sum().log(), a.exp().sum().log() - 2000)


@pytest.mark.equation(by="quadrature", within=1e-8)
def test_eq_linear_map_evidence(check):
    """The Gaussian with covariance W W^T + s^2 I, and the integral of likelihood times prior."""
    line = torch.linspace(-9, 9, 401, dtype=F64)
    for J, D in ((1, 1), (1, 3), (2, 2), (2, 4)):
        z = torch.cartesian_prod(*[line] * J).view(-1, J)
        log_mass = td.Normal(0.0, 1.0).log_prob(z).sum(1) + J * math.log(18 / 400)
        W, b, variance, x = random_map(J, D)
        difference, cov = x - b, W @ W.T + variance * torch.eye(D, dtype=F64)
        stretch = difference @ torch.linalg.solve(cov, difference)
        closed = -0.5 * (stretch + torch.logdet(cov) + D * math.log(2 * math.pi))
        check.equal(closed, torch.logsumexp(log_normal(x, z @ W.T + b, variance) + log_mass, 0))


@pytest.mark.equation(by="exact", within=1e-9)
def test_eq_bayes_posterior(check):
    """Likelihood times prior over evidence, and the conditional of the joint Gaussian of z, x."""
    for J in (1, 2, 3):
        W, b, variance, x = random_map(J, 4)
        z = normal(J)
        ratio = log_normal(x, W @ z + b, variance) + td.Normal(0.0, 1.0).log_prob(z).sum()
        ratio = ratio - linear_evidence(W, b, variance).log_prob(x)
        check.equal(ratio, td.MultivariateNormal(*joint_posterior(W, b, variance, x)).log_prob(z))


@pytest.mark.equation(by="Monte Carlo", within=4)
def test_eq_prior_sampling_moments(check):
    """Mean and relative variance of averages of k likelihoods, and quadrature over the prior."""
    z, log_mass = grid()
    for k in (1, 3):
        w, s, x = uniform(0.4, 0.8), uniform(0.9, 1.2), uniform(-1.0, 1.0)
        draws = log_normal(x, w * normal(40_000, k, 1), s**2).exp().mean(1)
        log_w = log_normal(x, w * z, s**2)
        first, second = ((n * log_w + log_mass).exp().sum() for n in (1, 2))
        check.mean(draws / first, torch.ones((), dtype=F64))
        # the left side scaled by its size, so that 2 % of it can be seen
        relative = (second / first**2 - 1) / k
        check.mean((draws / first - 1).square() / relative, torch.ones((), dtype=F64))


@pytest.mark.equation(by="quadrature", within=1e-8)
def test_eq_prior_sampling_spread(check):
    """R as mean square likelihood, as mean square ratio and as the posterior mean of the ratio."""
    z, log_mass = grid(4001)
    for _ in range(5):
        W, b, variance, x = random_map(1, 2)
        log_w = log_normal(x, z @ W.T + b, variance)
        first, second = ((n * log_w + log_mass).exp().sum() for n in (1, 2))
        mean, covariance = joint_posterior(W, b, variance, x)
        sd = covariance.sqrt()[0, 0]
        log_ratio = td.Normal(mean, sd).log_prob(z) - td.Normal(0.0, 1.0).log_prob(z)
        check.equal(second / first**2, (2 * log_ratio[:, 0] + log_mass).exp().sum())
        eps = torch.linspace(-12, 12, 4001, dtype=F64)
        codes = td.Normal(mean, sd).log_prob(mean + sd * eps), mean + sd * eps
        ratio = (codes[0] - td.Normal(0.0, 1.0).log_prob(codes[1])).exp()
        average = torch.trapezoid(ratio * torch.exp(-eps.square() / 2), eps)
        check.equal(average / math.sqrt(2 * math.pi), second / first**2)


@pytest.mark.equation(by="quadrature", within=1e-8)
def test_eq_prior_sampling_product(check):
    """R of two latents, each with its pixel, on a grid, and the product of two closed forms."""
    line = torch.linspace(-8, 8, 641, dtype=F64)
    z = torch.cartesian_prod(line, line)
    log_mass = td.Normal(0.0, 1.0).log_prob(z).sum(1) + 2 * math.log(line[1] - line[0])
    for _ in range(3):
        w, s, x = uniform(0.5, 2.0, 2), uniform(0.3, 1.0, 2), normal(2)
        log_w = td.Normal(w * z, s).log_prob(x).sum(1)
        first, second = ((n * log_w + log_mass).exp().sum() for n in (1, 2))
        total, double = w**2 + s**2, 2 * w**2 + s**2
        one = total / (s * double.sqrt()) * torch.exp((x * w) ** 2 / (double * total))
        check.equal(second / first**2, one.prod())


@pytest.mark.equation(by="exact", within=2e-3)
def test_eq_prior_sampling_bias(check):
    """The mean log of an average of k weights: below the log of the mean, by (R - 1) / (2k)."""
    for _ in range(10):
        w = uniform(0.1, 3.0, 6)  # a weight that takes six values, two draws of it
        pairs = ((w[:, None] + w) / 2).log().mean()
        check.at_most(pairs, w.mean().log())
        same = torch.full_like(w, w[0].item())
        check.equal(((same[:, None] + same) / 2).log().mean(), same.mean().log())
    for _ in range(5):
        shape, k = uniform(0.2, 2.0), torch.tensor(5000.0, dtype=F64)
        # gamma weights: the mean of k is gamma again, E[log] is a digamma, and R = 1 + 1 / shape
        bias = torch.special.digamma(k * shape) - torch.log(k * shape)
        check.equal(2 * k * bias, -1 / shape)


@pytest.mark.equation(by="quadrature", within=1e-8)
def test_eq_bayes_price(check):
    """Log-likelihood minus log-ratio at any code, and their posterior means, and log p(x)."""
    for J in (1, 2, 3):  # (a) at random codes of the linear model
        W, b, variance, x = random_map(J, 4)
        post = td.MultivariateNormal(*joint_posterior(W, b, variance, x))
        codes = 2 * normal(5, J)
        ratio = post.log_prob(codes) - td.Normal(0.0, 1.0).log_prob(codes).sum(1)
        value = log_normal(x, codes @ W.T + b, variance) - ratio
        check.equal(value, linear_evidence(W, b, variance).log_prob(x).expand(5))
    z, log_mass = grid()
    for _ in range(5):  # (b) on the bent curve: a posterior that is no Gaussian
        bend, s = uniform(0.5, 1.5), uniform(0.4, 0.8)
        x = curve(normal(1, 1), bend) + s * normal(1, 2)
        log_w = log_normal(x, curve(z, bend), s**2)
        post = torch.softmax(log_w + log_mass, 0)
        kl = torch.special.xlogy(post, post).sum() - (post * log_mass).sum()
        check.equal((post * log_w).sum() - kl, (log_w + log_mass).exp().sum().log())
    W, b, variance, x = random_map(2, 3)  # (b) with every term in closed form
    mean, cov = joint_posterior(W, b, variance, x)
    error = (x - W @ mean - b).square().sum() + torch.trace(W @ cov @ W.T)
    first = -0.5 * (error / variance + 3 * torch.log(2 * math.pi * variance))
    prior = td.MultivariateNormal(torch.zeros(2, dtype=F64), torch.eye(2, dtype=F64))
    kl = td.kl_divergence(td.MultivariateNormal(mean, cov), prior)
    check.equal(first - kl, linear_evidence(W, b, variance).log_prob(x))


@pytest.mark.equation(by="autograd", within=1e-8)
def test_eq_bayes_gradient(check):
    """Autograd of the closed log p(x), and prior and posterior means of the codes' gradients."""
    z, log_mass = grid(4001)
    for _ in range(5):
        W, b, variance, x = random_map(1, 2)
        s = variance.sqrt()
        theta = [t.clone().requires_grad_() for t in (W, b, s)]
        log_px = linear_evidence(theta[0], theta[1], theta[2] ** 2).log_prob(x)
        left = torch.cat([g.flatten() for g in torch.autograd.grad(log_px, theta)])
        # d/dW, d/db and d/ds of log p(x given z) at every code, by hand
        error = x - (z @ W.T + b)
        by_s = error.square().sum(1, keepdim=True) / s**3 - 2 / s
        scores = torch.cat([error * z / s**2, error / s**2, by_s], 1)
        likelihood = log_normal(x, z @ W.T + b, variance).exp()
        inside = (log_mass.exp() * likelihood) @ scores / log_px.exp().detach()
        mean, cov = joint_posterior(W, b, variance, x)
        exact = td.Normal(mean, cov[0].sqrt()).log_prob(z)[:, 0].exp() * (z[1] - z[0])
        check.equal(left, inside)  # the lines (a) and (b)
        check.equal(left, exact @ scores)  # (c), with the density of the posterior
