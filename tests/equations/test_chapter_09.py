"""The equations of chapter 9, the comparison of autoencoder and VAE."""

import math

import pytest
import torch
from scipy import linalg
from scipy.optimize import linear_sum_assignment
from scipy.stats import t as student_t
from torch import distributions as td
from torch import nn

import vae_lib as vl

D = 4
IMAGES = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * D)


def decoder(latent_dim):
    """A small random decoder to the logits of D binary pixels."""
    net = nn.Sequential(nn.Linear(latent_dim, 6), nn.Tanh(), nn.Linear(6, D))
    return net.double().requires_grad_(False)


def mixture(latent_dim, components=3):
    """Weights, means and covariances of a random mixture."""
    weights = torch.softmax(torch.randn(components, dtype=torch.float64), 0)
    means = torch.randn(components, latent_dim, dtype=torch.float64)
    roots = 0.4 * torch.randn(components, latent_dim, latent_dim, dtype=torch.float64)
    covariances = roots @ roots.mT + 0.2 * torch.eye(latent_dim, dtype=torch.float64)
    return weights, means, covariances


def density(z, weights, means, covariances):
    """The mixture at z (N, J): (N,)."""
    each = td.MultivariateNormal(means, covariances).log_prob(z[:, None]).exp()
    return each @ weights


def likelihood(net, z):
    """p(x given z) of all binary images at codes z (N, J): (16, N)."""
    coins = torch.sigmoid(net(z))
    return torch.where(IMAGES[:, None] == 1, coins, 1 - coins).prod(2)


def on_grid(f, centre, half_width, points=241):
    """Integrates f: (N, 2) -> (..., N) over a square of the plane."""
    line = half_width * torch.linspace(-1, 1, points, dtype=torch.float64)
    z = centre + torch.cartesian_prod(line, line)
    return f(z).sum(-1) * (line[1] - line[0]) ** 2


def random_moments(n):
    root = torch.randn(n, n + 2, dtype=torch.float64)
    return torch.randn(n, dtype=torch.float64), root @ root.T / n


def root_of(matrix):
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp_min(0).sqrt()) @ vectors.T


@pytest.mark.equation(by="exact", within=1e-12)
def test_eq_sorted(check):
    """Pairing the sorted values is the cheapest of all pairings."""
    for n in (2, 5, 40):
        a, b = torch.randn(2, n, dtype=torch.float64)
        cost = (a[:, None] - b).abs()
        rows, columns = linear_sum_assignment(cost.numpy())
        typed = (a.sort().values - b.sort().values).abs().mean()
        check.equal(cost[rows, columns].mean(), typed)
        other = cost[range(n), torch.randperm(n)].mean()
        check.at_most(typed, max(other, 1.1 * typed))


@pytest.mark.equation(by="Monte Carlo", within=5)
def test_eq_hole_null(check):
    """With one distribution, the chance to lie beyond the i-th nearest of m held-out codes."""
    m, trials = 19, 4000
    for i in (10, 18):
        codes, held_out, draws = (torch.randn(trials, n, 2) for n in (30, m, 20))
        far = torch.cdist(held_out, codes).min(2).values.sort(1).values[:, i - 1]
        beyond = torch.cdist(draws, codes).min(2).values > far[:, None]
        check.mean(beyond.double().mean(1), torch.tensor(1 - i / (m + 1), dtype=torch.float64))


@pytest.mark.equation(by="exact", within=1e-6)
def test_eq_frechet(check):
    """The least squared move between two Gaussians: a bound for all couplings, reached by one."""
    for n in (1, 2, 7):
        (m_a, c_a), (m_b, c_b) = random_moments(n), random_moments(n)
        product = torch.from_numpy(linalg.sqrtm((c_a @ c_b).numpy()).real)
        typed = (m_a - m_b).square().sum() + (c_a + c_b - 2 * product).trace()
        root_a, root_b = root_of(c_a), root_of(c_b)

        def cost(cross, m_a=m_a, c_a=c_a, m_b=m_b, c_b=c_b):
            """E|a - b|^2 of a coupling with that covariance of a and b."""
            return (m_a - m_b).square().sum() + c_a.trace() + c_b.trace() - 2 * cross.trace()

        u, _, v = torch.linalg.svd(root_b @ root_a)
        check.equal(typed, cost(root_a @ (v.mT @ u.mT) @ root_b))
        check.equal(vl.frechet_distance((m_a, c_a), (m_b, c_b)), typed)
        turn = torch.linalg.qr(torch.randn(n, n, dtype=torch.float64))[0]
        check.at_most(typed, cost(0.5 * root_a @ turn @ root_b))


@pytest.mark.equation(by="Monte Carlo", within=5)
def test_eq_coverage_null(check):
    """The expected coverage of two sets from one distribution, in any space."""
    for N, M, k in ((12, 12, 2), (20, 35, 4)):
        typed = 1 - math.prod((N - i) / (N + M - i) for i in range(1, k + 1))
        found = [vl.coverage_of(torch.randn(N, 3), torch.randn(M, 3), k) for _ in range(1500)]
        draws = torch.tensor([scores.coverage for scores in found], dtype=torch.float64)
        check.mean(draws, torch.tensor(typed, dtype=torch.float64))


@pytest.mark.equation(by="quadrature", within=1e-6)
def test_eq_gauge(check):
    """Renamed codes and a density carried along leave every p(x) as it was."""
    net, parts = decoder(2), mixture(2)
    left = on_grid(lambda z: likelihood(net, z) * density(z, *parts), torch.zeros(2), 10.0)
    A = torch.tensor([[1.5, 0.4], [-0.3, 0.8]], dtype=torch.float64)
    c = torch.tensor([2.0, -1.0], dtype=torch.float64)

    def renamed(u):
        z = (u - c) @ torch.linalg.inv(A).T
        return likelihood(net, z) * density(z, *parts) / torch.linalg.det(A).abs()

    check.equal(left, on_grid(renamed, c, 14.0))
    weights, means, covariances = parts  # a mixture of renamed Gaussians is the renamed mixture
    moved = weights, means @ A.T + c, A @ covariances @ A.T
    u = 3 * torch.randn(20, 2, dtype=torch.float64)
    carried = density((u - c) @ torch.linalg.inv(A).T, *parts) / torch.linalg.det(A).abs()
    check.equal(density(u, *moved), carried)


@pytest.mark.equation(by="quadrature", within=1e-4)
def test_eq_proposal(check):
    """The mean weight under a Student t, for any density of codes, is p(x)."""
    net, parts = decoder(1), mixture(1)
    line = torch.linspace(-15, 15, 6001, dtype=torch.float64)
    p_x = torch.trapezoid(likelihood(net, line[:, None]) * density(line[:, None], *parts), line)
    u = (torch.arange(40_000, dtype=torch.float64) + 0.5) / 40_000
    for centre, scale in ((0.0, 1.0), (0.7, 0.5)):
        z = centre + scale * torch.from_numpy(student_t.ppf(u.numpy(), 4))
        log_r = td.StudentT(4.0, centre, scale).log_prob(z)
        weights = likelihood(net, z[:, None]) * density(z[:, None], *parts) / log_r.exp()
        check.equal(weights.mean(1).log(), p_x.log())
        check.equal(weights.mean(1), p_x)


@pytest.mark.equation(by="autograd", within=1e-9)
def test_eq_curvature(check):
    """The mean curvature over the images of a code needs first derivatives only."""
    for J in (1, 2, 3):
        net, z = decoder(J), torch.randn(J, dtype=torch.float64)

        def log_px_z(one, x, net=net):
            return td.Bernoulli(logits=net(one)).log_prob(x).sum()

        probability = likelihood(net, z[None])[:, 0]
        curvature = torch.stack([-torch.func.hessian(log_px_z)(z, x) for x in IMAGES])  # (16, J, J)
        slopes = torch.func.jacrev(net)(z)
        on = torch.sigmoid(net(z))
        typed = slopes.T @ torch.diag(on * (1 - on)) @ slopes
        check.equal(torch.einsum("n,nij->ij", probability, curvature), typed)
