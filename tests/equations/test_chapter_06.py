"""The equations of chapter 6, the linear VAE."""

import itertools
import math

import pytest
import torch
from torch.distributions import (
    LowRankMultivariateNormal,
    MultivariateNormal,
    Normal,
    kl_divergence,
)

F64 = {"dtype": torch.float64}
D, J = 6, 3


def eye(n):
    return torch.eye(n, **F64)


def random_data(n=60):
    """n centred images of D pixels with unequal variances, and their covariance."""
    x = torch.randn(n, D, **F64) @ torch.randn(D, D, **F64)
    x = x - x.mean(0)
    return x, x.T @ x / n


def random_model():
    """W, b and s^2 of a random linear model."""
    return torch.randn(D, J, **F64), torch.randn(D, **F64), 0.3 + torch.rand((), **F64)


def spectrum(S):
    """Eigenvalues and eigenvectors, largest first."""
    return (t.flip(-1) for t in torch.linalg.eigh(S))


def optimum(S, s2):
    """The best W for a fixed noise: column j along u_j with length^2 = max(lambda_j - s^2, 0)."""
    lam, U = spectrum(S)
    return U[:, :J] * (lam[:J] - s2).clamp(min=0).sqrt()


def noise_between(lam, active):
    """A noise variance that leaves so many latents alive."""
    return (lam[active - 1] + lam[active]) / 2


def mean_log_evidence(x, W, s2):
    zero = torch.zeros(D, **F64)
    return LowRankMultivariateNormal(zero, W, s2.expand(D)).log_prob(x).mean()


def value_and_gradient(objective, v):
    v = v.detach().requires_grad_()
    value = objective(v)
    return value.detach(), torch.autograd.grad(value, v)[0]


def climb(objective, v):
    """Where an ascent from v ends: BFGS on autograd's gradients, each step halved until it pays."""
    H = eye(len(v))
    value, g = value_and_gradient(objective, v)
    for _ in range(300):
        step = H @ g
        step = step / step.norm().clamp(min=1)
        while step.norm() > 1e-10 and not objective(v + step) >= value + 1e-4 * step @ g:
            step = step / 2
        if step.norm() <= 1e-10:
            break
        v, old = v + step, g
        value, g = value_and_gradient(objective, v)
        y = old - g
        if step @ y > 0:
            left = eye(len(v)) - torch.outer(step, y) / (step @ y)
            H = left @ H @ left.T + torch.outer(step, step) / (step @ y)
    return v


def exact_posterior(x, W, b, s2):
    """p(z given x) by conditioning the joint Gaussian of (z, x): means and covariance."""
    joint = torch.cat([torch.cat([eye(J), W.T], 1), torch.cat([W, W @ W.T + s2 * eye(D)], 1)])
    gain = torch.linalg.solve(joint[J:, J:], joint[J:, :J]).T
    return (x - b) @ gain.T, joint[:J, :J] - gain @ joint[J:, :J]


def exact_mean_elbo(x, W, A, variances, s2):
    """log p(x) minus the KL to the posterior, both by torch.distributions; the data's average."""
    mean, covariance = exact_posterior(x, W, torch.zeros(D, **F64), s2)
    q = MultivariateNormal(x @ A.T, torch.diag(variances))
    gap = kl_divergence(q, MultivariateNormal(mean, (covariance + covariance.T) / 2))
    return mean_log_evidence(x, W, s2) - gap.mean()


def book_error(S, W, A, variances):
    R = eye(D) - W @ A
    return torch.trace(R @ S @ R.T) + (variances * W.square().sum(0)).sum()


def book_kls(S, A, variances):
    return 0.5 * ((A @ S @ A.T).diagonal() + variances - 1 - variances.log())


def book_elbo(S, W, A, variances, s2, beta=1.0):
    error = book_error(S, W, A, variances)
    return (
        -0.5 * (D * torch.log(2 * math.pi * s2) + error / s2)
        - beta * book_kls(S, A, variances).sum()
    )


@pytest.mark.equation(by="Monte Carlo", within=4)
def test_eq_ppca_evidence(check):
    """Images drawn through z have the mean b and the covariance W W^T + s^2 I."""
    n = 200_000
    for _ in range(2):
        W, b, s2 = torch.randn(2, 1, **F64), torch.randn(2, **F64), torch.rand((), **F64) + 0.3
        x = torch.randn(n, 1, **F64) @ W.T + b + s2.sqrt() * torch.randn(n, 2, **F64)
        C = W @ W.T + s2 * eye(2)
        check.mean(x, b)
        centred = x - b
        check.mean(centred[:, :, None] * centred[:, None, :], C)
        direction = torch.randn(2, **F64)
        # the fourth moment of a projection is that of a Gaussian
        projected = centred @ direction / (direction @ C @ direction).sqrt()
        check.mean(projected**4 / 3, torch.ones((), **F64))


@pytest.mark.equation(by="exact", within=1e-9)
def test_eq_ppca_likelihood(check):
    """The mean log-likelihood of a Gaussian model needs only the covariance of the data."""
    for _ in range(5):
        x, _ = random_data()
        W, b, s2 = random_model()
        S = (x - b).T @ (x - b) / len(x)
        C = W @ W.T + s2 * eye(D)
        book = -0.5 * (
            D * math.log(2 * math.pi) + torch.logdet(C) + torch.trace(torch.linalg.solve(C, S))
        )
        check.equal(book, MultivariateNormal(b, C).log_prob(x).mean())
        # another b than the mean image is worse
        check.at_most(book, MultivariateNormal(x.mean(0), C).log_prob(x).mean())


@pytest.mark.equation(by="exact", within=1e-9)
def test_eq_ppca_trace(check):
    """The trace is smallest when model and data share eigenvectors, largest with largest."""
    for _ in range(20):
        c = (torch.rand(D, **F64) + 0.2).sort(descending=True).values
        lam, U = spectrum(random_data()[1])
        S = U @ torch.diag(lam) @ U.T
        V = torch.linalg.qr(torch.randn(D, D, **F64))[0]
        C, aligned = V @ torch.diag(c) @ V.T, U @ torch.diag(c) @ U.T
        check.at_most((lam / c).sum(), torch.trace(torch.linalg.solve(C, S)))
        check.equal((lam / c).sum(), torch.trace(torch.linalg.solve(aligned, S)))


@pytest.mark.equation(by="exact", within=1e-9)
def test_eq_ppca_decoupled(check):
    """Along the principal axes the log-likelihood is a sum of one term for each axis."""
    for _ in range(5):
        x, S = random_data()
        lam, U = spectrum(S)
        w, s2 = torch.rand(J, **F64) + 0.5, torch.rand((), **F64) + 0.3
        c = torch.cat([w**2 + s2, s2.expand(D - J)])
        book = -0.5 * (math.log(2 * math.pi) + c.log() + lam / c).sum()
        check.equal(book, mean_log_evidence(x, U[:, :J] * w, s2))


@pytest.mark.equation(by="autograd", within=1e-4)
def test_eq_ppca_solution(check):
    """W and s in closed form give the covariance that climbing the likelihood finds."""
    for active in (J, 1):  # the best s, and a fixed s that leaves one latent
        S = random_data()[1]
        lam, _ = spectrum(S)
        free = active == J
        s2 = lam[J:].sum() / (D - J) if free else noise_between(lam, active)

        def covariance(v, s2=s2, free=free):
            W = v[: D * J].view(D, J)
            return W @ W.T + (v[-1].exp() if free else s2) * eye(D)

        def log_likelihood(v, S=S, covariance=covariance):
            C = covariance(v)
            return -0.5 * (torch.logdet(C) + torch.trace(torch.linalg.solve(C, S)))

        top = climb(log_likelihood, torch.randn(D * J + 1, **F64))
        book = optimum(S, s2)
        check.equal(book @ book.T + s2 * eye(D), covariance(top))
        if free:
            check.equal(s2, top[-1].exp())


@pytest.mark.equation(by="exact", within=1e-9)
def test_eq_ppca_maximum(check):
    """The highest log-likelihood, from the eigenvalues, is that of the closed-form model."""
    for _ in range(5):
        x, S = random_data()
        lam, U = spectrum(S)
        s2 = lam[J:].mean()
        book = -0.5 * (D * math.log(2 * math.pi) + lam[:J].log().sum() + (D - J) * s2.log() + D)
        check.equal(book, mean_log_evidence(x, optimum(S, s2), s2))
        other, other_s2 = torch.randn(D, J, **F64), 0.1 + 2 * torch.rand((), **F64)
        check.at_most(mean_log_evidence(x, other, other_s2), book)
    for kept in itertools.combinations(range(D), J):  # the J largest are the best to keep
        left = [i for i in range(D) if i not in kept]
        s2 = lam[left].mean()
        W = U[:, kept] * (lam[list(kept)] - s2).clamp(min=0).sqrt()
        check.at_most(mean_log_evidence(x, W, s2), book)


@pytest.mark.equation(by="exact", within=1e-9)
def test_eq_ppca_posterior(check):
    """The posterior's mean and covariance agree with conditioning the joint Gaussian."""
    for _ in range(5):
        W, b, s2 = random_model()
        x = torch.randn(4, D, **F64)
        M = W.T @ W + s2 * eye(J)
        mean, covariance = exact_posterior(x, W, b, s2)
        check.equal(torch.linalg.solve(M, W.T @ (x - b).T).T, mean)
        check.equal(s2 * torch.linalg.inv(M), covariance)


@pytest.mark.equation(by="autograd", within=1e-6)
def test_eq_ppca_gap(check):
    """The smallest KL of a diagonal Gaussian to the posterior, in closed form."""
    for _ in range(3):
        W, _, s2 = random_model()
        P = eye(J) + W.T @ W / s2
        true = MultivariateNormal(torch.zeros(J, **F64), precision_matrix=P)

        def minus_kl(v, true=true):
            q = MultivariateNormal(v[:J], scale_tril=torch.diag((v[J:] / 2).exp()))
            return -kl_divergence(q, true)

        gap = -minus_kl(climb(minus_kl, torch.randn(2 * J, **F64)))
        check.equal(0.5 * (P.diagonal().log().sum() - torch.logdet(P)), gap)


@pytest.mark.equation(by="exact", within=1e-9)
def test_eq_ppca_rotation(check):
    """The gap of two orthogonal columns that have been turned by an angle."""
    for _ in range(10):
        p, angle = 1 + 20 * torch.rand(2, **F64), 3 * torch.rand((), **F64)
        R = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()]).view(2, 2)
        # the variances of the best diagonal q are one over the diagonal of the precision
        P = R.T @ torch.diag(p) @ R
        q = MultivariateNormal(torch.zeros(2, **F64), torch.diag(1 / P.diagonal()))
        true = MultivariateNormal(torch.zeros(2, **F64), precision_matrix=(P + P.T) / 2)
        ratio = (p[0] - p[1]) ** 2 / (4 * p[0] * p[1])
        book = 0.5 * torch.log(1 + ratio * torch.sin(2 * angle) ** 2)
        check.equal(book, kl_divergence(q, true))


@pytest.mark.equation(by="Monte Carlo", within=4)
def test_eq_ppca_error(check):
    """The expected squared error over data and draws of z, without drawing."""
    x, S = random_data(20)
    for _ in range(2):
        W, A = torch.randn(D, J, **F64), 0.3 * torch.randn(J, D, **F64)
        variances = 0.1 + torch.rand(J, **F64)
        eps = torch.randn(20_000, 1, J, **F64)
        z = x @ A.T + variances.sqrt() * eps
        draws = (x - z @ W.T).square().sum(-1).mean(1)  # every image in every draw
        check.mean(draws, book_error(S, W, A, variances))


@pytest.mark.equation(by="exact", within=1e-9)
def test_eq_ppca_elbo(check):
    """The closed-form ELBO is log p(x) minus the KL to the posterior, averaged over images."""
    for _ in range(5):
        x, S = random_data()
        W, _, s2 = random_model()
        A, variances = torch.randn(J, D, **F64), 0.1 + torch.rand(J, **F64)
        book = book_elbo(S, W, A, variances, s2)
        check.equal(book, exact_mean_elbo(x, W, A, variances, s2))


@pytest.mark.equation(by="exact", within=1e-9)
def test_eq_ppca_encoder(check):
    """At the optimum the mean and variance of each latent follow from its eigenvalue."""
    for _ in range(5):
        x, S = random_data()
        lam, U = spectrum(S)
        s2 = noise_between(lam, J)
        mean, covariance = exact_posterior(x, optimum(S, s2), torch.zeros(D, **F64), s2)
        check.equal((lam[:J] - s2).sqrt() / lam[:J] * (x @ U[:, :J]), mean)
        check.equal(torch.diag(s2 / lam[:J]), covariance)


@pytest.mark.equation(by="exact", within=1e-9)
def test_eq_ppca_rate(check):
    """The mean KL of each latent at the optimum is half the log of eigenvalue over noise."""
    for active in (J, 2, 1):
        x, S = random_data()
        lam, _ = spectrum(S)
        s2 = noise_between(lam, active)
        mean, covariance = exact_posterior(x, optimum(S, s2), torch.zeros(D, **F64), s2)
        q = Normal(mean, covariance.diagonal().sqrt())
        book = torch.where(lam[:J] > s2, 0.5 * torch.log(lam[:J] / s2), 0.0)
        check.equal(book, kl_divergence(q, Normal(0.0, 1.0)).mean(0))


@pytest.mark.equation(by="exact", within=1e-9)
def test_eq_ppca_distortion(check):
    """At the optimum each coded direction keeps an error of s^2, the others all they have."""
    for active in (J, 2, 1):
        x, S = random_data()
        lam, _ = spectrum(S)
        s2 = noise_between(lam, active)
        W = optimum(S, s2)
        mean, covariance = exact_posterior(x, W, torch.zeros(D, **F64), s2)
        spread = torch.trace(W @ covariance @ W.T)
        error = (x - mean @ W.T).square().sum(1).mean() + spread
        check.equal(lam[:J].clamp(max=s2).sum() + lam[J:].sum(), error)


@pytest.mark.equation(by="exact", within=1e-9)
def test_eq_ppca_beta(check):
    """A KL with weight beta is a plain ELBO with noise sqrt(beta) s, up to a constant."""
    for beta in (0.5, 2.0, 4.0):
        x, S = random_data()
        W, _, s2 = random_model()
        A, variances = torch.randn(J, D, **F64), 0.1 + torch.rand(J, **F64)
        constant = 0.5 * beta * D * torch.log(2 * math.pi * beta * s2)
        constant = constant - 0.5 * D * torch.log(2 * math.pi * s2)
        book = beta * exact_mean_elbo(x, W, A, variances, beta * s2) + constant
        check.equal(book, book_elbo(S, W, A, variances, s2, beta))


@pytest.mark.equation(by="autograd", within=1e-9)
def test_eq_ppca_saddle(check):
    """Near full collapse the ELBO changes by this quadratic form in the two small numbers."""
    for _ in range(3):
        _, S = random_data()
        lam, U = spectrum(S)
        s2 = 0.3 + 3 * torch.rand((), **F64)

        def elbo_along(both, S=S, u=U[:, :1], s2=s2):
            a, w = both
            return book_elbo(S, w * u, a * u.T, torch.ones(1, **F64), s2)

        origin = torch.zeros(2, **F64)
        check.equal(torch.zeros(2), torch.autograd.functional.jacobian(elbo_along, origin))
        hessian = torch.autograd.functional.hessian(elbo_along, origin)
        for a, w in torch.randn(3, 2, **F64):
            book = -0.5 * (lam[0] * a**2 - 2 * lam[0] / s2 * a * w + w**2 / s2)
            both = torch.stack([a, w])
            check.equal(book, 0.5 * both @ hessian @ both)
