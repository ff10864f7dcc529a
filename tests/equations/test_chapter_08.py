"""The equations of chapter 8, the variational autoencoder.

They are held to two models with one latent: the linear-Gaussian one, whose log p(x) is known, and
a small network with binary pixels, all of whose images can be listed.
"""

import math

import pytest
import torch
from torch import distributions as td
from torch import nn

import vae_lib as vl

D = 4
LINE = torch.linspace(-15, 15, 1501, dtype=torch.float64)
STANDARD = torch.exp(-LINE.square() / 2) / math.sqrt(2 * math.pi)
PRIOR = td.Normal(torch.zeros(1, dtype=torch.float64), 1.0)


def linear_gaussian():
    """A random linear-Gaussian model, six of its images and their log p(x)."""
    W, b = 0.5 * torch.randn(D, 1, dtype=torch.float64), torch.randn(D, dtype=torch.float64)
    model = vl.LinearGaussian(W, b, 0.7).requires_grad_(False)
    cov = W @ W.T + model.variance * torch.eye(D, dtype=torch.float64)
    p_x = td.MultivariateNormal(b, cov)
    x = p_x.sample((6,))
    return model, x, p_x.log_prob(x)


def binary_net():
    """A random decoder from one latent to D binary pixels, all its images and their log p(x)."""
    decoder = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, D)).double()
    model = vl.VAE(nn.Identity(), decoder).requires_grad_(False)
    x = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * D)
    coins = torch.sigmoid(decoder(LINE[:, None]))
    p_x_z = torch.where(x[:, None] == 1, coins, 1 - coins).prod(2)
    return model, x, torch.trapezoid(p_x_z * STANDARD, LINE).log()


def random_q(n):
    """q(z given x) for n images."""
    mu, logvar = 0.5 * torch.randn(n, 1), torch.rand(n, 1) - 1
    return td.Normal(mu.double(), torch.exp(0.5 * logvar).double())


def points(q):
    """Where to evaluate a function of z, to average it over q: (B, N)."""
    return q.mean + q.stddev * LINE


def mean(values):
    """Averages over q from values at `points(q)`: (B, N) -> (B,), by the trapezoid rule."""
    return torch.trapezoid(values * STANDARD, LINE)


def log_px_z(model, x, z):
    """log p(x given z) of every image (B, D) at each of its points z (B, N): (B, N)."""
    params = model.decode(z.reshape(-1, 1)).view(*z.shape, D)
    if isinstance(model, vl.LinearGaussian):
        pixels = td.Normal(params, model.variance.sqrt())
    else:
        pixels = td.Bernoulli(logits=params)
    return pixels.log_prob(x[:, None]).sum(2)


def log_w(model, x, q, z):
    """log of p(x given z) p(z) / q(z given x) at z (B, N)."""
    return log_px_z(model, x, z) + PRIOR.log_prob(z) - q.log_prob(z)


@pytest.mark.equation(by="quadrature", within=1e-9)
def test_eq_marginal(check):
    """Averaged over all codes, p(x given z) gives the evidence: known, and summing to 1."""
    model, x, log_evidence = linear_gaussian()
    p_x_z = log_px_z(model, x, LINE.expand(len(x), -1)).exp()
    check.equal(torch.trapezoid(p_x_z * STANDARD, LINE).log(), log_evidence)
    model, x, _ = binary_net()
    p_x_z = log_px_z(model, x, LINE.expand(len(x), -1)).exp()
    check.equal(torch.trapezoid(p_x_z * STANDARD, LINE).sum(), 1.0)


@pytest.mark.equation(by="quadrature", within=1e-9)
def test_eq_importance(check):
    """log p(x) as an integral over codes, and as a mean under any proposal."""
    for model, x, log_evidence in (linear_gaussian(), binary_net()):
        q, z = random_q(len(x)), LINE.expand(len(x), -1)
        integrand = q.log_prob(z).exp() * log_w(model, x, q, z).exp()
        check.equal(torch.trapezoid(integrand, z).log(), log_evidence)
        check.equal(mean(log_w(model, x, q, points(q)).exp()).log(), log_evidence)


@pytest.mark.equation(by="quadrature", within=1e-9)
def test_eq_jensen(check):
    """The mean of log w, the ELBO, stays under log p(x) and meets it at the posterior."""
    for model, x, log_evidence in (linear_gaussian(), binary_net()):
        q = random_q(len(x))
        check.at_most(mean(log_w(model, x, q, points(q))), log_evidence)
    model, x, log_evidence = linear_gaussian()
    q = random_q(len(x))
    bound = model.exact_elbo(x, q.mean, 2 * q.stddev.log()).value
    check.equal(mean(log_w(model, x, q, points(q))), bound)
    precision = 1 + model.W.square().sum() / model.variance
    centre = (x - model.b) @ model.W / model.variance / precision
    posterior = td.Normal(centre, precision.rsqrt())
    check.equal(mean(log_w(model, x, posterior, points(posterior))), log_evidence)


@pytest.mark.equation(by="quadrature", within=1e-9)
def test_eq_elbo(check):
    """The ELBO is a reconstruction term minus a KL, both with weight 1."""
    for model, x, _ in (linear_gaussian(), binary_net()):
        q = random_q(len(x))
        rate = td.kl_divergence(q, PRIOR).squeeze(1)
        split = mean(log_px_z(model, x, points(q))) - rate
        check.equal(split, mean(log_w(model, x, q, points(q))))


@pytest.mark.equation(by="exact", within=1e-12)
def test_eq_kl(check):
    """The KL of a diagonal Gaussian to N(0, I), a sum over the latents."""
    for J in (1, 2, 5, 20):
        mu, logvar = torch.randn(2, 10, J, dtype=torch.float64)
        typed = -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1)
        q = td.MultivariateNormal(mu, torch.diag_embed(logvar.exp()))
        p = td.MultivariateNormal(torch.zeros_like(mu), torch.eye(J, dtype=torch.float64))
        check.equal(typed, td.kl_divergence(q, p))
        check.equal(typed, vl.gaussian_kl(mu, logvar))


@pytest.mark.equation(by="exact", within=1e-12)
def test_eq_floor(check):
    """What tossing the coins of a grey image costs on average, over all binary images."""
    x = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * 8)
    for _ in range(10):
        g = torch.rand(8, dtype=torch.float64)
        typed = -(g * g.log() + (1 - g) * (1 - g).log()).sum()
        p = torch.where(x == 1, g, 1 - g).prod(1)
        check.equal(typed, -(p * p.log()).sum())


@pytest.mark.equation(by="quadrature", within=1e-9)
def test_eq_total_variance(check):
    """Mean and variance of the aggregate posterior, from its density."""
    for n in (1, 2, 50):
        q = random_q(n)
        z = torch.linspace(-12, 12, 4001, dtype=torch.float64)
        density = q.log_prob(z).exp().mean(0)  # of the mixture, weights 1/N
        centre = torch.trapezoid(z * density, z)
        check.equal(q.mean.mean(), centre)
        spread = torch.trapezoid((z - centre) ** 2 * density, z)
        check.equal(q.mean.var(correction=0) + q.variance.mean(), spread)
