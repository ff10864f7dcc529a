"""The equations of chapter 3, the KL between Gaussians."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import distributions as td

F64 = torch.float64
LINE = torch.linspace(-25, 25, 5001, dtype=F64)


def gaussians(n=20):
    """n random Gaussians, with sigma between 0.3 and 1.8."""
    return td.Normal(torch.randn(n, dtype=F64), 0.3 + 1.5 * torch.rand(n, dtype=F64))


def prior():
    return td.Normal(torch.zeros((), dtype=F64), torch.ones((), dtype=F64))


def on_line(distribution):
    """Log density of each of n distributions on LINE: (n, points)."""
    return distribution.log_prob(LINE[:, None]).T


def mean_under(q, f):
    """E_q[f(z)] of n one-dimensional q by the trapezoid rule; f on LINE: (n, points) -> (n,)."""
    return torch.trapezoid(on_line(q).exp() * f, LINE)


def covariances(J):
    """A random mean and covariance matrix."""
    A = torch.randn(J, J, dtype=F64)
    return torch.randn(J, dtype=F64), A @ A.T + 0.3 * torch.eye(J, dtype=F64)


def mean_of_quadratic(mean, covariance, f):
    """E[f(z)] under N(mean, covariance), exact for polynomials of degree 5 (Gauss-Hermite)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(3)
    J = len(mean)
    eps = torch.tensor(list(itertools.product(nodes, repeat=J)), dtype=F64)
    weight = torch.tensor(list(itertools.product(weights, repeat=J)), dtype=F64).prod(1)
    z = mean + eps @ torch.linalg.cholesky(covariance).T
    return (weight * f(z)).sum() / weight.sum()


@pytest.mark.equation(by="exact", within=1e-10)
def test_eq_kl_coins(check):
    """The KL of two coins, two terms, is the mean log-ratio over their two outcomes."""
    a, b = 0.02 + 0.96 * torch.rand(2, 20, dtype=F64)
    typed = a * torch.log(a / b) + (1 - a) * torch.log((1 - a) / (1 - b))
    q, p = td.Bernoulli(logits=torch.logit(a)), td.Bernoulli(logits=torch.logit(b))
    sides = torch.tensor([[1.0], [0.0]], dtype=F64).expand(2, 20)
    evidence = q.log_prob(sides) - p.log_prob(sides)
    check.equal(typed, (q.log_prob(sides).exp() * evidence).sum(0))


@pytest.mark.equation(by="quadrature", within=1e-8)
def test_eq_kl_gibbs(check):
    """Minus a KL is at most the mean of p/q - 1, at most zero; p = q gives equality."""
    q = gaussians()
    p = td.Normal(q.loc + torch.randn(20, dtype=F64), q.scale * (0.3 + 0.7 * torch.rand(20)))
    log_t = on_line(p) - on_line(q)
    upper = mean_under(q, log_t.exp() - 1)
    check.equal(-td.kl_divergence(q, p), mean_under(q, log_t))
    check.at_most(mean_under(q, log_t), upper)
    check.equal(upper, torch.zeros(20))
    check.equal(-td.kl_divergence(q, q), torch.zeros(20))
    # six outcomes, of which q leaves out two that p has: the last step is an inequality
    q, p = td.Dirichlet(torch.ones(6, dtype=F64)).sample((2, 20))
    q = q * torch.tensor([1, 1, 1, 1, 0, 0])
    q, seen = q / q.sum(1, keepdim=True), q > 0
    log_t = torch.where(seen, (p / q).log(), torch.zeros(()))
    upper = (q * torch.where(seen, p / q - 1, torch.zeros(()))).sum(1)
    check.equal(upper, -p[:, 4:].sum(1))
    check.at_most((q * log_t).sum(1), upper)
    check.at_most(upper, torch.zeros(20))


def newton(f, x):
    """A minimiser of each f(x)[i] in x[i], by steps of at most 1, and the least values."""
    for _ in range(25):
        x = x.detach().requires_grad_()
        least = f(x)
        slope = torch.autograd.grad(least.sum(), x, create_graph=True)[0]
        x = x - (slope / torch.autograd.grad(slope.sum(), x)[0]).clamp(-1, 1)
    return x.detach(), least.detach()


@pytest.mark.equation(by="quadrature", within=1e-6)
def test_eq_kl_moment_match(check):
    """The Gaussian q with the least KL(p to q) has the mean and variance of p."""
    parts = td.Normal(torch.randn(5, 3, dtype=F64), 0.3 + torch.rand(5, 3, dtype=F64))
    p = td.MixtureSameFamily(td.Categorical(torch.rand(5, 3, dtype=F64) + 0.2), parts)
    log_p = on_line(p)

    def kl(mu, logvar):
        log_q = on_line(td.Normal(mu, torch.exp(0.5 * logvar)))
        return torch.trapezoid(log_p.exp() * (log_p - log_q), LINE)

    mu, _ = newton(lambda m: kl(m, torch.zeros(5)), torch.zeros(5, dtype=F64))
    logvar, _ = newton(lambda v: kl(mu, v), torch.zeros(5, dtype=F64))
    check.equal(p.mean, mu)
    check.equal(p.variance, logvar.exp())


@pytest.mark.equation(by="quadrature", within=1e-9)
def test_eq_kl_entropy(check):
    """The mean log-density of a Gaussian under itself depends on its variance only."""
    q = gaussians()
    closed = -0.5 * (torch.log(2 * math.pi * q.variance) + 1)
    check.equal(closed, mean_under(q, on_line(q)))


@pytest.mark.equation(by="quadrature", within=1e-9)
def test_eq_kl_cross(check):
    """The mean log-density of the standard normal under another Gaussian, in closed form."""
    q = gaussians()
    closed = -0.5 * (math.log(2 * math.pi) + q.loc**2 + q.scale**2)
    check.equal(closed, mean_under(q, prior().log_prob(LINE)))


@pytest.mark.equation(by="quadrature", within=1e-9)
def test_eq_kl_normal(check):
    """The KL of a Gaussian to the standard normal: every line of its derivation."""
    q = gaussians()
    log_q, log_p, var = on_line(q), prior().log_prob(LINE), q.scale**2
    kl = mean_under(q, log_q - log_p)
    check.equal(mean_under(q, log_q) - mean_under(q, log_p), kl)
    check.equal(-0.5 * (var.log() + 1) + 0.5 * (q.loc**2 + var), kl)
    check.equal(0.5 * q.loc**2 + 0.5 * (var - 1 - var.log()), kl)


@pytest.mark.equation(by="quadrature", within=1e-8)
def test_eq_kl_affine(check):
    """Moving and stretching both distributions by the same map leaves their KL as it was."""
    q, p = gaussians(), gaussians()
    y = torch.linspace(-60, 60, 12_001, dtype=F64)[:, None]
    for a, c in ((2.5, -1.0), (-0.7, 3.0)):
        move = td.AffineTransform(c, a)
        log_q, log_p = (td.TransformedDistribution(d, move).log_prob(y) for d in (q, p))
        moved = torch.trapezoid(log_q.exp() * (log_q - log_p), y, dim=0)
        check.equal(moved, mean_under(q, on_line(q) - on_line(p)))


@pytest.mark.equation(by="quadrature", within=1e-8)
def test_eq_kl_two(check):
    """The KL between any two Gaussians of one dimension, in closed form."""
    q, p = gaussians(), gaussians()
    ratio = q.scale**2 / p.scale**2
    closed = 0.5 * ((q.loc - p.loc) ** 2 / p.scale**2 + ratio - 1 - ratio.log())
    check.equal(closed, mean_under(q, on_line(q) - on_line(p)))


@pytest.mark.equation(by="quadrature", within=1e-9)
def test_eq_kl_latents(check):
    """With independent latents the KL is a sum over them, for each image of a batch."""
    mu, logvar = torch.randn(6, 3, dtype=F64), torch.randn(6, 3, dtype=F64) - 0.5
    joint = td.MultivariateNormal(mu, torch.diag_embed(logvar.exp()))
    zeros = torch.zeros(3, dtype=F64)
    p = td.MultivariateNormal(zeros, torch.eye(3, dtype=F64))

    def log_ratio(z, b):
        return td.MultivariateNormal(mu[b], joint.covariance_matrix[b]).log_prob(z) - p.log_prob(z)

    kl = torch.stack(
        [
            mean_of_quadratic(mu[b], joint.covariance_matrix[b], lambda z, b=b: log_ratio(z, b))
            for b in range(6)
        ]
    )
    q = td.Normal(mu.flatten(), torch.exp(0.5 * logvar).flatten())
    each = mean_under(q, on_line(q) - prior().log_prob(LINE)).view(6, 3)
    check.equal(each.sum(1), kl)
    check.equal(-0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1), kl)


@pytest.mark.equation(by="autograd", within=1e-8)
def test_eq_kl_gradient(check):
    """The slopes of the KL in the mean and the log-variance of one latent."""
    mu, logvar = torch.randn(20, dtype=F64), 2 * torch.rand(20, dtype=F64) - 1.5
    mu, logvar = mu.requires_grad_(), logvar.requires_grad_()
    q = td.Normal(mu, torch.exp(0.5 * logvar))
    kl = mean_under(q, on_line(q) - prior().log_prob(LINE)).sum()
    by_mu, by_logvar = torch.autograd.grad(kl, (mu, logvar))
    check.equal(mu, by_mu)
    check.equal(0.5 * (logvar.exp() - 1), by_logvar)


@pytest.mark.equation(by="quadrature", within=1e-8)
def test_eq_kl_spread(check):
    """The variance of the log-ratio of one draw from a Gaussian, in closed form."""
    q = gaussians()
    ratio = on_line(q) - prior().log_prob(LINE)
    variance = mean_under(q, ratio**2) - mean_under(q, ratio) ** 2
    check.equal(0.5 * (q.scale**2 - 1) ** 2 + q.loc**2 * q.scale**2, variance)


@pytest.mark.equation(by="quadrature", within=1e-8)
def test_eq_kl_rate_split(check):
    """The mean KL to the prior is the information plus the KL of all codes together."""
    for n in (2, 5, 10):
        q = gaussians(n)
        log_q, log_p = on_line(q), prior().log_prob(LINE)
        log_all = torch.logsumexp(log_q, 0) - math.log(n)
        information = mean_under(q, log_q - log_all).mean()
        misfit = torch.trapezoid(log_all.exp() * (log_all - log_p), LINE)
        check.equal(td.kl_divergence(q, prior()).mean(), information + misfit)


@pytest.mark.equation(by="quadrature", within=1e-8)
def test_eq_kl_rate(check):
    """Codes of one width with second moment 1 have the rate log(1 / sigma)."""
    for sigma in (0.15, 0.4, 0.8):
        mu = torch.randn(12, dtype=F64)
        mu = mu * ((1 - sigma**2) / mu.square().mean()).sqrt()
        q = td.Normal(mu, torch.full_like(mu, sigma))
        rate = mean_under(q, on_line(q) - prior().log_prob(LINE)).mean()
        check.equal(math.log(1 / sigma), rate)
        check.equal(1 / sigma, rate.exp())


@pytest.mark.equation(by="quadrature", within=1e-9)
def test_eq_kl_trace(check):
    """The mean of a quadratic form under a Gaussian: a trace and the form at the means."""
    for J in (1, 2, 4):
        m1, S1 = covariances(J)
        m2, A = torch.randn(J, dtype=F64), torch.randn(J, J, dtype=F64)  # A need not be symmetric
        typed = (A @ S1).trace() + (m1 - m2) @ A @ (m1 - m2)
        check.equal(typed, mean_of_quadratic(m1, S1, lambda z: ((z - m2) @ A.T * (z - m2)).sum(1)))  # noqa: B023


@pytest.mark.equation(by="quadrature", within=1e-9)
def test_eq_kl_full(check):
    """The KL between Gaussians with any covariance matrices, in closed form."""
    for J in (1, 2, 4):
        (m1, S1), (m2, S2) = covariances(J), covariances(J)
        d, P2 = m1 - m2, torch.linalg.inv(S2)
        place, spread = d @ P2 @ d, (P2 @ S1).trace()
        typed = 0.5 * (place + spread - J - torch.log(torch.det(S1) / torch.det(S2)))
        q, p = td.MultivariateNormal(m1, S1), td.MultivariateNormal(m2, S2)
        check.equal(typed, mean_of_quadratic(m1, S1, lambda z: q.log_prob(z) - p.log_prob(z)))  # noqa: B023
        check.equal(typed, td.kl_divergence(q, p))


@pytest.mark.equation(by="exact", within=1e-9)
def test_eq_kl_best_prior(check):
    """The prior variance with the least mean KL, and what is left of it, against a search."""
    q = gaussians(30)

    def mean_kl(v):
        p = td.Normal(torch.zeros(1, dtype=F64), torch.exp(0.5 * v))
        return td.kl_divergence(q, p).mean(0, keepdim=True)

    v, least = newton(mean_kl, torch.zeros(1, dtype=F64))
    best = (q.loc**2 + q.scale**2).mean()
    check.equal(best, v.exp()[0])
    check.equal(0.5 * (best.log() - q.variance.log().mean()), least[0])
