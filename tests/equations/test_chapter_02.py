"""The equations of chapter 2, the ELBO in three ways."""

import math

import pytest
import torch
from torch.distributions import MultivariateNormal, Normal, kl_divergence

F64 = {"dtype": torch.float64}
LINE = torch.linspace(-7, 7, 181, **F64)
PLANE = torch.cartesian_prod(LINE, LINE)
LOG_CELL = 2 * math.log(LINE[1] - LINE[0])


class Lab:
    """A random linear-Gaussian model with two latents, one image, and a random diagonal q."""

    def __init__(self, grad=False):
        self.W = (0.7 * torch.randn(3, 2, **F64)).requires_grad_(grad)
        self.b, self.s = torch.randn(3, **F64), 0.5 + torch.rand((), **F64)
        self.x = self.b + torch.randn(3, **F64)
        self.mu = (0.5 * torch.randn(2, **F64)).requires_grad_(grad)
        self.sigma = (0.3 + 0.5 * torch.rand(2, **F64)).requires_grad_(grad)

    def log_lik(self, z):
        return Normal(z @ self.W.T + self.b, self.s).log_prob(self.x).sum(-1)

    def log_joint(self, z):
        return self.log_lik(z) + Normal(0.0, 1.0).log_prob(z).sum(-1)

    def log_q(self, z):
        return Normal(self.mu, self.sigma).log_prob(z).sum(-1)

    def q(self):
        return MultivariateNormal(self.mu, torch.diag(self.sigma**2))

    def log_evidence(self):
        covariance = self.W @ self.W.T + self.s**2 * torch.eye(3, **F64)
        return MultivariateNormal(self.b, covariance).log_prob(self.x)

    def precision(self):
        return torch.eye(2, **F64) + self.W.T @ self.W / self.s**2

    def posterior(self):
        m = torch.linalg.solve(self.precision(), self.W.T @ (self.x - self.b) / self.s**2)
        return MultivariateNormal(m, precision_matrix=self.precision())

    def expect(self, values, log_density=None):
        """The mean of values on the plane, under q or under another log-density."""
        log_density = self.log_q(PLANE) if log_density is None else log_density
        return torch.exp(log_density + LOG_CELL) @ values


def labs(n=4, grad=False):
    return [Lab(grad) for _ in range(n)]


@pytest.mark.equation(by="quadrature", within=1e-8)
def test_eq_two_evidence(check):
    """The closed-form log p(x) of the linear model is the log of the integral over all codes."""
    for lab in labs():
        integral = torch.logsumexp(lab.log_joint(PLANE) + LOG_CELL, 0)
        check.equal(lab.log_evidence(), integral)


@pytest.mark.equation(by="quadrature", within=1e-8)
def test_eq_two_posterior(check):
    """The posterior's mean and precision are those of the normalised joint density on a grid."""
    for lab in labs():
        mass = torch.softmax(lab.log_joint(PLANE), 0)
        mean = mass @ PLANE
        covariance = (mass[:, None] * (PLANE - mean)).T @ (PLANE - mean)
        precision = torch.eye(2, **F64) + lab.W.T @ lab.W / lab.s**2
        m = torch.linalg.inv(precision) @ lab.W.T @ (lab.x - lab.b) / lab.s**2
        check.equal(m, mean)
        check.equal(precision, torch.linalg.inv(covariance))
        gaussian = MultivariateNormal(m, precision_matrix=precision).log_prob(PLANE).exp()
        check.equal(gaussian, mass / math.exp(LOG_CELL))


@pytest.mark.equation(by="exact", within=1e-12)
def test_eq_two_tangent(check):
    """log t is at most t - 1, and the two touch at t = 1 only."""
    t = torch.exp(2 * torch.randn(1000, **F64))
    check.at_most(t.log(), t - 1)
    assert (t.log() < t - 1)[(t - 1).abs() > 1e-3].all()
    one = torch.ones(1, **F64, requires_grad=True)
    check.equal(one.log(), one - 1)
    check.equal(torch.autograd.grad(one.log().sum(), one)[0], torch.ones(1, **F64))


@pytest.mark.equation(by="exact", within=1e-12)
def test_eq_two_jensen(check):
    """The mean of log w is at most the log of the mean of w; equal when w is constant."""
    w = torch.exp(torch.randn(50, 6, **F64))
    probability = torch.softmax(torch.randn(50, 6, **F64), 1)
    check.at_most((probability * w.log()).sum(1), (probability * w).sum(1).log())
    same = w[:, :1].expand(50, 6)
    check.equal((probability * same.log()).sum(1), (probability * same).sum(1).log())


@pytest.mark.equation(by="quadrature", within=1e-8)
def test_eq_two_bound(check):
    """Four lines from log p(x) to the ELBO: equal, equal, equal, at most."""
    for lab in labs():
        truth = lab.log_evidence()
        log_w = lab.log_joint(PLANE) - lab.log_q(PLANE)
        check.equal(truth, torch.logsumexp(lab.log_joint(PLANE) + LOG_CELL, 0))
        check.equal(torch.logsumexp(lab.log_q(PLANE) + log_w + LOG_CELL, 0), truth)
        check.equal(lab.expect(log_w.exp()).log(), truth)
        check.at_most(lab.expect(log_w), truth)
        best = lab.posterior().log_prob(PLANE)
        check.equal(lab.expect(lab.log_joint(PLANE) - best, best), truth)


@pytest.mark.equation(by="quadrature", within=1e-8)
def test_eq_two_identity(check):
    """log p(x) is ELBO plus KL to the posterior, in the mean and, by its parts, at every code."""
    for lab in labs():
        truth, z = lab.log_evidence(), 2 * torch.randn(5, 2, **F64)
        at_posterior = lab.posterior().log_prob(z)
        check.equal(lab.log_joint(z) - at_posterior, truth.expand(5))
        first, second = lab.log_joint(z) - lab.log_q(z), lab.log_q(z) - at_posterior
        check.equal(first + second, truth.expand(5))
        bound = lab.expect(lab.log_joint(PLANE) - lab.log_q(PLANE))
        gap = lab.expect(lab.log_q(PLANE) - lab.posterior().log_prob(PLANE))
        check.equal(bound + gap, truth)
        check.equal(bound + kl_divergence(lab.q(), lab.posterior()), truth)


@pytest.mark.equation(by="quadrature", within=1e-8)
def test_eq_two_kl_nonnegative(check):
    """A KL is minus a mean log-ratio, at least 1 minus the mean ratio, which is 0; 0 at p = q."""
    for lab, other in zip(labs(), labs(), strict=True):
        log_ratio = other.log_q(PLANE) - lab.log_q(PLANE)
        kl, floor = kl_divergence(lab.q(), other.q()), 1 - lab.expect(log_ratio.exp())
        check.equal(-lab.expect(log_ratio), kl)
        check.equal(floor, torch.zeros((), **F64))
        check.at_most(floor, kl)
        assert kl > 1e-3  # p is not q
        check.equal(-lab.expect(lab.log_q(PLANE) - lab.q().log_prob(PLANE)), floor)  # p is q


@pytest.mark.equation(by="quadrature", within=1e-8)
def test_eq_two_weights(check):
    """Under q the weight has mean p(x), and its logarithm has mean ELBO."""
    for lab in labs():
        log_w = lab.log_joint(PLANE) - lab.log_q(PLANE)
        check.equal(lab.expect(log_w.exp()).log(), lab.log_evidence())
        elbo = lab.log_evidence() - kl_divergence(lab.q(), lab.posterior())
        check.equal(lab.expect(log_w), elbo)


@pytest.mark.equation(by="quadrature", within=1e-8)
def test_eq_two_order(check):
    """The bounds from 1, 2 and 3 weights rise from the ELBO towards log p(x)."""
    eps = torch.linspace(-7, 7, 71, **F64)
    mass = torch.softmax(-eps.square() / 2, 0)
    for shift in (0.0, *torch.rand(3, **F64).tolist()):
        w, s, x = torch.rand(3, **F64) + 0.5
        truth = Normal(0.0, (w**2 + s**2).sqrt()).log_prob(x)
        sd = (1 + w**2 / s**2) ** -0.5
        mean = sd**2 * w * x / s**2
        q = Normal(mean + shift, sd * (1 + shift))
        z = q.loc + q.scale * eps
        log_w = Normal(w * z, s).log_prob(x) + Normal(0.0, 1.0).log_prob(z) - q.log_prob(z)
        pair = torch.logaddexp(log_w[:, None], log_w)
        three = torch.logaddexp(pair[..., None], log_w) - math.log(3)
        bounds = [
            mass @ log_w,
            mass @ (pair - math.log(2)) @ mass,
            ((three @ mass) @ mass) @ mass,
        ]
        elbo = truth - kl_divergence(q, Normal(mean, sd))
        check.equal(bounds[0], elbo)
        for lower, upper in zip(bounds, [*bounds[1:], truth], strict=True):
            (check.at_most if shift else check.equal)(lower, upper)


@pytest.mark.equation(by="quadrature", within=1e-8)
def test_eq_two_forms(check):
    """Joint plus entropy, and reconstruction minus rate, both equal the mean of log w."""
    for lab in labs():
        bound = lab.expect(lab.log_joint(PLANE) - lab.log_q(PLANE))
        check.equal(lab.expect(lab.log_joint(PLANE)) + lab.q().entropy(), bound)
        prior = MultivariateNormal(torch.zeros(2, **F64), torch.eye(2, **F64))
        check.equal(lab.expect(lab.log_lik(PLANE)) - kl_divergence(lab.q(), prior), bound)


@pytest.mark.equation(by="quadrature", within=1e-8)
def test_eq_two_reconstruction(check):
    """The mean log-likelihood over q is that of the decoded mean, less the price of drawing z."""
    for lab in labs():
        price = (lab.sigma**2 * lab.W.square().sum(0)).sum() / (2 * lab.s**2)
        check.equal(lab.log_lik(lab.mu) - price, lab.expect(lab.log_lik(PLANE)))


@pytest.mark.equation(by="autograd", within=1e-8)
def test_eq_two_grad_phi(check):
    """In q's mean and spread the ELBO's gradient is minus that of the KL to the posterior."""
    for lab in labs(grad=True):
        bound = lab.expect(lab.log_joint(PLANE) - lab.log_q(PLANE))
        up = torch.autograd.grad(bound, (lab.mu, lab.sigma))
        gap = kl_divergence(lab.q(), lab.posterior())
        down = torch.autograd.grad(gap, (lab.mu, lab.sigma))
        check.equal(torch.cat(up), -torch.cat(down))


@pytest.mark.equation(by="autograd", within=1e-8)
def test_eq_two_best_diagonal(check):
    """The best diagonal q of the linear model: a stationary point of the gap, and the gap left."""
    for lab in labs():
        precision, target = lab.precision(), lab.posterior()
        mu = target.mean.clone().requires_grad_()
        variance = (1 / precision.diagonal()).requires_grad_()
        gap = kl_divergence(MultivariateNormal(mu, torch.diag(variance)), target)
        for slope in torch.autograd.grad(gap, (mu, variance)):
            check.equal(slope, torch.zeros(2, **F64))
        formula = (precision.diagonal().log().sum() - precision.logdet()) / 2
        check.equal(formula, gap)
        for other in labs(20):
            check.at_most(formula, kl_divergence(other.q(), target))
            near = MultivariateNormal(mu, torch.diag(variance * torch.exp(0.1 * torch.randn(2))))
            check.at_most(formula, kl_divergence(near, target))


@pytest.mark.equation(by="autograd", within=1e-7)
def test_eq_two_grad_theta(check):
    """Gradients in W: that of the ELBO averages over q, that of log p(x) over the posterior."""

    def mean_score(lab, log_density):
        mass = torch.exp(log_density.detach() + LOG_CELL)
        # d/dW log p(x, z) by hand: (x - b - W z) z^T / s^2
        error = lab.x - lab.b - PLANE @ lab.W.detach().T
        return (mass[:, None] * error).T @ PLANE / lab.s**2

    for lab in labs(grad=True):
        elbo = lab.log_evidence() - kl_divergence(lab.q(), lab.posterior())
        by_autograd = torch.autograd.grad(elbo, lab.W)[0]
        check.equal(by_autograd, mean_score(lab, lab.log_q(PLANE)))
        by_autograd = torch.autograd.grad(lab.log_evidence(), lab.W)[0]
        check.equal(by_autograd, mean_score(lab, lab.posterior().log_prob(PLANE)))
