"""The equations of chapter 10: maps, paths and directions in a latent space."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate
from torch import distributions as td
from torch import nn

from vae_lib.latent import lerp, normal_grid, slerp

T = torch.linspace(0, 1, 11, dtype=torch.float64)


def density(z):
    """Of N(0, 1), typed out."""
    return np.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def randn(*shape):
    return torch.randn(*shape, dtype=torch.float64)


@pytest.mark.equation(by="quadrature", within=1e-5)
def test_eq_inverse_cdf(check):
    """The share of Phi^-1(u) below z, for evenly spread u, against the area under the density."""
    u = (torch.arange(400_000, dtype=torch.float64) + 0.5) / 400_000
    for z in (-2.0, -0.7, 0.0, 0.3, 1.8):
        share = (torch.special.ndtri(u) <= z).double().mean()
        check.equal(share, integrate.quad(density, -np.inf, z)[0])
    edges = torch.linspace(0, 1, 8, dtype=torch.float64)  # a grid's column is its slice's median
    for low, column in zip(edges, normal_grid(7)[:7, 0], strict=False):
        check.equal(low + 1 / 14, integrate.quad(density, -np.inf, column.item())[0])


@pytest.mark.equation(by="quadrature", within=1e-9)
def test_eq_norm(check):
    """Mean square, mean and variance of |z|, by integrals over the radius."""
    for J in (1, 2, 3, 9, 20, 100):
        log_mean = 0.5 * math.log(2) + math.lgamma((J + 1) / 2) - math.lgamma(J / 2)
        mean = math.exp(log_mean)

        def shell(r, power, J=J):  # r^power times the area of the sphere times the density
            log_area = math.log(2) + J / 2 * math.log(math.pi) - math.lgamma(J / 2)
            log_density = -r * r / 2 - J / 2 * math.log(2 * math.pi)
            return r**power * math.exp(log_area + (J - 1) * math.log(r) + log_density)

        peak = math.sqrt(J)
        total, first, second = (
            integrate.quad(shell, 1e-12, peak + 15, args=(p,), points=[peak], limit=200)[0]
            for p in (0, 1, 2)
        )
        check.equal(total, 1.0)
        check.equal(mean, first)
        check.equal(float(J), second)
        check.equal(J - mean**2, second - first**2)


@pytest.mark.equation(by="Monte Carlo", within=4.5)
def test_eq_mix(check):
    """alpha a + beta b of two draws: mean 0, covariance (alpha^2 + beta^2) I, norm and kurtosis."""
    J, n = 3, 200_000
    for alpha, beta in ((0.5, 0.5), (0.6, 0.8), (1.0, -1.0)):
        scale = alpha**2 + beta**2
        mixed = alpha * randn(n, J) + beta * randn(n, J)
        check.mean(mixed, torch.zeros(J))
        check.mean(mixed[:, :, None] * mixed[:, None], scale * torch.eye(J))
        check.mean(mixed.square().sum(1), scale * J)
        check.mean(mixed**4, 3 * scale**2 * torch.ones(J))  # as only a Gaussian of that variance


@pytest.mark.equation(by="exact", within=1e-12)
def test_eq_lerp_norm(check):
    """The mean squared norm on the straight line, from the joint covariance of both ends."""
    for J in (1, 2, 20):
        for t in (0.0, 0.2, 0.5, 0.9):
            one = torch.eye(J, dtype=torch.float64)
            A = torch.cat([(1 - t) * one, t * one], 1)
            check.equal(((1 - t) ** 2 + t**2) * J, (A @ A.T).trace())
    a, b = randn(400_000, 2), randn(400_000, 2)
    middle = lerp(a, b, torch.tensor([0.5], dtype=torch.float64))[:, 0]
    assert abs(middle.square().sum(1).mean() - 1) < 0.01


@pytest.mark.equation(by="Monte Carlo", within=4.5)
def test_eq_cosine(check):
    """The cosine of the angle between two draws: mean 0, mean square 1/J."""
    for J in (1, 2, 9, 20):
        cosine = torch.cosine_similarity(randn(200_000, J), randn(200_000, J))
        check.mean(cosine, 0.0)
        if J > 1:  # for J = 1 it is 1 or -1, and its square does not vary
            check.mean(cosine.square(), 1 / J)
        else:
            check.mean(cosine.square() + 1e-9 * randn(200_000), 1.0)


@pytest.mark.equation(by="exact", within=1e-9)
def test_eq_slerp_arc(check):
    """With ends of one length r the arc is a turn in their plane: built from a perpendicular."""
    for J in (2, 3, 20):
        a, b = randn(J), randn(J)
        r = 1.7
        a, b = r * a / a.norm(), r * b / b.norm()
        omega = torch.arccos(a @ b / r**2)
        weights = torch.sin((1 - T) * omega), torch.sin(T * omega)
        typed = (weights[0][:, None] * a + weights[1][:, None] * b) / torch.sin(omega)
        across = b - (b @ a) / (a @ a) * a  # Gram-Schmidt
        across = r * across / across.norm()
        turned = torch.cos(T * omega)[:, None] * a + torch.sin(T * omega)[:, None] * across
        check.equal(typed, turned)
        check.equal(typed.norm(dim=1), torch.full_like(T, r))
        check.equal(slerp(a, b, T), turned)


@pytest.mark.equation(by="quadrature", within=1e-8)
def test_eq_turn(check):
    """Turning the codes and turning back in the decoder leaves p(z) and every p(x) as they are."""
    line = torch.linspace(-9, 9, 401, dtype=torch.float64)
    z = torch.cartesian_prod(line, line)
    prior = td.Normal(0.0, 1.0).log_prob(z).sum(1).exp() * (line[1] - line[0]) ** 2
    decoder = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 4)).double()
    decoder.requires_grad_(False)
    R = torch.linalg.qr(randn(2, 2))[0]
    x = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * 4)

    def evidence(codes):
        coins = torch.sigmoid(decoder(codes))
        on, off = coins.log(), torch.log1p(-coins)
        return (prior * (on @ x.T + off @ (1 - x).T).exp().T).sum(1)

    check.equal(
        td.Normal(0.0, 1.0).log_prob(z @ R.T).sum(1), td.Normal(0.0, 1.0).log_prob(z).sum(1)
    )
    check.equal(evidence(z @ R).log(), evidence(z).log())


@pytest.mark.equation(by="quadrature", within=1e-8)
def test_eq_class_codes(check):
    """Mean and covariance of the codes drawn for the images of a class, from their density."""
    line = torch.linspace(-9, 9, 361, dtype=torch.float64)
    z = torch.cartesian_prod(line, line)
    for n in (1, 2, 7):
        mu, logvar = randn(n, 2), 0.5 * randn(n, 2) - 1
        q = td.Normal(mu, torch.exp(0.5 * logvar))
        p = q.log_prob(z[:, None]).sum(2).exp().mean(1) * (line[1] - line[0]) ** 2
        mean = (p[:, None] * z).sum(0)
        apart = z - mean
        covariance = (p[:, None, None] * apart[:, :, None] * apart[:, None]).sum(0)
        check.equal(mu.mean(0), mean)
        spread = (mu - mu.mean(0)).T @ (mu - mu.mean(0)) / n
        check.equal(spread + logvar.exp().mean(0).diag(), covariance)


@pytest.mark.equation(by="exact", within=1e-10)
def test_eq_mean_is_near(check):
    """The mean squared distance to y: that of the mean image, plus the sum of the variances."""
    for D in (1, 5, 5, 20, 784):
        x, y, p = (torch.rand(*shape, dtype=torch.float64) for shape in ((30, D), (D,), (30,)))
        p = p / p.sum()
        direct = sum(
            weight * (image - y).square().sum() for weight, image in zip(p, x, strict=True)
        )
        mean = p @ x
        variances = p @ (x - mean).square()
        check.equal((mean - y).square().sum() + variances.sum(), direct)
