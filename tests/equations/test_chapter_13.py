"""The equations of chapter 13: the bound from k weights, its gap, its gradients, annealing."""

import math
from itertools import product

import pytest
import torch
from torch.distributions import MultivariateNormal, Normal, kl_divergence

F64 = {"dtype": torch.float64}
LINE = torch.linspace(-7, 7, 241, **F64)


def random_precision(J):
    root = torch.randn(J, J, **F64)
    return torch.eye(J, **F64) + root @ root.T


@pytest.mark.equation(by="exact", within=1e-12)
def test_eq_log_mean_exp(check):
    """The log of a mean of exponentials, with and without the largest term taken out."""
    a = 3 * torch.randn(50, 7, **F64)
    m = a.max(1, keepdim=True).values
    shifted = m[:, 0] + (a - m).exp().mean(1).log()
    check.equal(shifted, a.exp().mean(1).log())
    check.equal(shifted, torch.logsumexp(a, 1) - math.log(7))


@pytest.mark.equation(by="autograd", within=1e-12)
def test_eq_bound_shares(check):
    """The gradient of the log of a mean of weights: shares times the gradients of log w."""
    for k in (1, 2, 9):
        phi = torch.randn(3, **F64, requires_grad=True)
        log_w = torch.sin(torch.randn(k, 3, **F64) @ phi) * 4
        by_autograd = torch.autograd.grad(log_w.exp().mean().log(), phi, retain_graph=True)[0]
        each = [torch.autograd.grad(one, phi, retain_graph=True)[0] for one in log_w]
        w = log_w.detach().exp()
        check.equal((w / w.sum()) @ torch.stack(each), by_autograd)


def coin_bound(k, q, w):
    """L_k for a code that is 0 or 1 with probabilities q and weights w: the binomial sum."""
    n = torch.arange(k + 1, **F64)
    log_choose = torch.lgamma(torch.tensor(k + 1.0, **F64)) - torch.lgamma(n + 1)
    log_choose = log_choose - torch.lgamma(k - n + 1)
    mass = (log_choose + n * q[1].log() + (k - n) * q[0].log()).exp()
    return mass @ ((n * w[1] + (k - n) * w[0]) / k).log()


@pytest.mark.equation(by="exact", within=2e-3)
def test_eq_bound_delta(check):
    """k times the gap tends to (R - 1) / 2: exact sums for a code with two values, k = 20,000."""
    for _ in range(4):
        q, joint = 0.2 + 0.6 * torch.rand((), **F64), 0.1 + torch.rand(2, **F64)
        q = torch.stack([1 - q, q])
        w, evidence = joint / q, joint.sum()
        variance = q @ w.square() - evidence**2
        R = q @ w.square() / evidence**2
        posterior = joint / evidence
        check.equal(R, posterior @ (posterior / q))
        gap = evidence.log() - coin_bound(20_000, q, w)
        check.equal(20_000 * gap, variance / (2 * evidence**2))
        check.equal(20_000 * gap, (R - 1) / 2)


@pytest.mark.equation(by="quadrature", within=1e-6)
def test_eq_bound_gaussian(check):
    """R of two Gaussians with one mean, by a sum over a plane; the integrand grows if not."""
    plane = torch.cartesian_prod(*[torch.linspace(-9, 9, 361, **F64)] * 2)
    log_cell = 2 * math.log(18 / 360)
    for _ in range(4):
        precision = random_precision(2)
        S = torch.linalg.inv(precision) / 2 + torch.diag(0.2 + torch.rand(2, **F64))
        inner = 2 * precision - torch.linalg.inv(S)
        R = precision.det() * S.det().sqrt() / inner.det().sqrt()
        zero = torch.zeros(2, **F64)
        log_p = MultivariateNormal(zero, precision_matrix=precision).log_prob(plane)
        log_q = MultivariateNormal(zero, S).log_prob(plane)
        check.equal(R.log(), torch.logsumexp(2 * log_p - log_q + log_cell, 0))
    narrow = Normal(0.0, math.sqrt(0.49))
    log_ratio = 2 * Normal(0.0, 1.0).log_prob(LINE) - narrow.log_prob(LINE)
    assert log_ratio[0] > log_ratio[120]  # narrower than half: no integral


def two_gaussians(J=3):
    """A posterior with correlations, and the mean and log-variance of a diagonal q."""
    target = MultivariateNormal(torch.randn(J, **F64), precision_matrix=random_precision(J))
    return target, torch.randn(J, **F64), torch.randn(J, **F64)


def diagonal(mu, variance):
    return MultivariateNormal(mu, torch.diag(variance))


@pytest.mark.equation(by="quadrature", within=1e-7)
def test_eq_gap_split(check):
    """The gap of a q is that of the best diagonal q plus what the ELBOs of the two differ by."""
    grid = torch.cartesian_prod(*[torch.linspace(-8, 8, 321, **F64)] * 2)
    log_cell = 2 * math.log(16 / 320)
    for _ in range(3):
        target, mu, logvar = two_gaussians(2)
        log_px = torch.randn((), **F64)
        log_joint = log_px + target.log_prob(grid)

        def elbo(q, log_joint=log_joint):
            log_q = q.log_prob(grid)
            return (log_q + log_cell).exp() @ (log_joint - log_q)

        q = diagonal(0.3 * mu, (0.3 * logvar).exp() * 0.3)
        best = diagonal(target.mean, 1 / target.precision_matrix.diagonal())
        approximation, amortisation = log_px - elbo(best), elbo(best) - elbo(q)
        check.equal(approximation + amortisation, kl_divergence(q, target))
        check.at_most(torch.zeros(2, **F64), torch.stack([approximation, amortisation]))


@pytest.mark.equation(by="exact", within=1e-10)
def test_eq_gap_amortised(check):
    """What a diagonal q loses against the best one, as a difference of PyTorch's KLs."""
    for _ in range(4):
        target, mu, logvar = two_gaussians()
        precision = target.precision_matrix
        r, d = logvar.exp() * precision.diagonal(), mu - target.mean
        formula = 0.5 * (r - 1 - r.log()).sum() + 0.5 * d @ precision @ d
        best = diagonal(target.mean, 1 / precision.diagonal())
        loss = kl_divergence(diagonal(mu, logvar.exp()), target) - kl_divergence(best, target)
        check.equal(formula, loss)


@pytest.mark.equation(by="autograd", within=5e-3)
def test_eq_encoder_signal(check):
    """k times the encoder's gradient of L_k tends to minus half that of R: k = 20,000."""
    for _ in range(4):
        joint, k = 0.1 + torch.rand(2, **F64), 20_000
        phi = (0.5 + 0.1 * torch.randn((), **F64)).requires_grad_()
        q = torch.stack([1 - phi, phi])
        w = joint / q
        R = q @ w.square() / joint.sum() ** 2
        exact = torch.autograd.grad(coin_bound(k, q, w), phi, retain_graph=True)[0]
        check.equal(k * exact, -torch.autograd.grad(R, phi)[0] / 2)


class OneLatent:
    """One latent, one pixel, a random Gaussian q, and k = 2 draws of noise on a square grid."""

    def __init__(self):
        self.a, self.s = 0.5 + torch.rand(2, **F64)
        self.x = torch.randn((), **F64)
        self.m = torch.randn((), **F64).requires_grad_()
        self.log_sigma = (0.2 * torch.randn((), **F64)).requires_grad_()
        mass = torch.softmax(-LINE.square() / 2, 0)
        self.mass = mass[:, None] * mass
        eps = torch.stack(torch.meshgrid(LINE, LINE, indexing="ij"))  # (2, n, n)
        self.z = self.m + self.log_sigma.exp() * eps
        self.phi = (self.m, self.log_sigma)

    def log_w(self, z):
        log_joint = Normal(self.a * z, self.s).log_prob(self.x) + Normal(0.0, 1.0).log_prob(z)
        return log_joint - Normal(self.m, self.log_sigma.exp()).log_prob(z)

    def exact(self):
        """The gradient of L_2 in both parameters."""
        bound = (self.mass * (torch.logsumexp(self.log_w(self.z), 0) - math.log(2))).sum()
        return torch.stack(torch.autograd.grad(bound, self.phi))

    def pieces(self):
        """By hand: shares, slopes of log w in z, z in phi, and the scores; no autograd."""
        z, m, sigma = self.z.detach(), self.m.detach(), self.log_sigma.detach().exp()
        log_w = self.log_w(z).detach()
        slope = self.a * (self.x - self.a * z) / self.s**2 - z + (z - m) / sigma**2
        path = torch.stack([torch.ones_like(z), z - m])
        score = torch.stack([(z - m) / sigma**2, (z - m) ** 2 / sigma**2 - 1])
        return torch.softmax(log_w, 0), slope, path, score

    def mean(self, values):
        """(2, 2, n, n), for each parameter and draw: the mean of the sum over the draws, (2,)."""
        return (self.mass * values.sum(1)).sum((1, 2))


@pytest.mark.equation(by="quadrature", within=1e-8)
def test_eq_dreg_two_ways(check):
    """The gradient of L_2: by way of the draws, less the score, weighted by the shares."""
    for lab in (OneLatent() for _ in range(3)):
        share, slope, path, score = lab.pieces()
        check.equal(lab.mean(share * (slope * path - score)), lab.exact())


@pytest.mark.equation(by="quadrature", within=1e-8)
def test_eq_dreg_swap(check):
    """Score and path give the same gradient of an expectation."""
    for _ in range(3):
        m, log_sigma = torch.randn((), **F64), 0.3 * torch.randn((), **F64)
        sigma, mass = log_sigma.exp(), torch.softmax(-LINE.square() / 2, 0)
        z = m + sigma * LINE
        f, slope = torch.sin(z) + z**2, torch.cos(z) + 2 * z
        check.equal(mass @ (f * (z - m) / sigma**2), mass @ slope)
        check.equal(mass @ (f * ((z - m) ** 2 / sigma**2 - 1)), mass @ (slope * (z - m)))


@pytest.mark.equation(by="autograd", within=1e-10)
def test_eq_dreg_share(check):
    """The slope of a share in its own draw."""
    for k in (1, 2, 6):
        z = torch.randn(k, **F64, requires_grad=True)
        log_w = torch.sin(2 * z) - z**2
        v = torch.softmax(log_w, 0)
        slope_w = torch.autograd.grad(log_w.sum(), z, retain_graph=True)[0]
        for i in range(k):
            by_autograd = torch.autograd.grad(v[i], z, retain_graph=True)[0][i]
            check.equal(v[i] * (1 - v[i]) * slope_w[i], by_autograd)


@pytest.mark.equation(by="quadrature", within=1e-8)
def test_eq_dreg(check):
    """The gradient of L_2 from squared shares and the path alone."""
    for lab in (OneLatent() for _ in range(3)):
        share, slope, path, _ = lab.pieces()
        check.equal(lab.mean(share.square() * slope * path), lab.exact())


class Walk:
    """A code with four values, and Metropolis moves between f_t = p(z) p(x given z)^t."""

    def __init__(self, flat=False):
        self.prior = torch.softmax(torch.randn(4, **F64), 0)
        self.log_lik = -1.0 + (0 if flat else 1) * torch.randn(4, **F64)
        self.t = torch.tensor([0.0, 0.2, 0.5, 1.0], **F64)

    def evidence(self):
        return self.prior @ self.log_lik.exp()

    def kernel(self, t):
        """K[i, j], the probability to move from i to j; it keeps f_t."""
        f = self.prior * (t * self.log_lik).exp()
        K = (f[None] / f[:, None]).clamp(max=1) / 4
        K = K - torch.diag(K.diagonal())
        return K + torch.diag(1 - K.sum(1))

    def forward(self):
        """[(probability of the path, log w)] of every path z_0, z_1, z_2."""
        for a, b, c in product(range(4), repeat=3):
            p = self.prior[a] * self.kernel(self.t[1])[a, b] * self.kernel(self.t[2])[b, c]
            yield p, self.t.diff() @ self.log_lik[[a, b, c]]

    def backward(self):
        """[(probability, log w_back)] of every path from the posterior down: z_3, z_2, z_1, z_0."""
        posterior = self.prior * self.log_lik.exp() / self.evidence()
        for path in product(range(4), repeat=4):
            p = posterior[path[0]]
            for t, before, after in zip(self.t.flip(0), path, path[1:], strict=False):
                p = p * self.kernel(t)[before, after]
            yield p, -(self.t.diff().flip(0) @ self.log_lik[list(path[1:])])


def expected(paths, f):
    return sum(p * f(log_w) for p, log_w in paths)


@pytest.mark.equation(by="exact", within=1e-12)
def test_eq_anneal_unbiased(check):
    """The mean weight over every path of a small chain is the evidence."""
    for walk in (Walk() for _ in range(3)):
        check.equal(expected(walk.forward(), torch.exp), walk.evidence())


@pytest.mark.equation(by="exact", within=1e-12)
def test_eq_anneal_sandwich(check):
    """Every path back has the mean weight 1 / p(x); the logarithms lie on both sides."""
    for walk in (Walk(), Walk(), Walk(flat=True)):
        log_px = walk.evidence().log()
        check.equal(expected(walk.backward(), torch.exp), 1 / walk.evidence())
        below = expected(walk.forward(), lambda log_w: log_w)
        above = expected(walk.backward(), lambda log_w: -log_w)
        check.at_most(below, log_px)
        check.at_most(log_px, above)
    check.equal(below, log_px)  # the flat one
    check.equal(above, log_px)
