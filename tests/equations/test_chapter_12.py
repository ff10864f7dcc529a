"""The equations of chapter 12, rate, distortion and collapse."""

import itertools
import math

import pytest
import torch
from torch.distributions import MultivariateNormal, Normal, kl_divergence

F64 = {"dtype": torch.float64}
D = 4


def eye(n):
    return torch.eye(n, **F64)


def random_covariance():
    A = torch.randn(D, D + 2, **F64)
    return A @ A.T / D


def table(*shape):
    """Random probabilities that add up to 1 along the last dimension."""
    return torch.softmax(torch.randn(*shape, **F64), -1)


def spectrum(S):
    """Eigenvalues and eigenvectors, largest first."""
    return (t.flip(-1) for t in torch.linalg.eigh(S))


def book_curve(lam, s2, beta):
    rate = 0.5 * torch.log(lam / (beta * s2)).clamp(min=0)
    error = torch.minimum(lam, beta * s2).sum()
    return rate, 0.5 * D * torch.log(2 * math.pi * s2) + 0.5 * error / s2


def costs(S, W, A, variances, s2, T=None):
    """R of each latent and Delta of q = N(A x, variances), averaged over data of covariance S.

    The log-densities are quadratic in x and z, so torch.distributions' KL between Gaussians and
    the moments of the joint Gaussian of (x - T x - W z) are all that is needed.
    """
    T = torch.zeros(D, D, **F64) if T is None else T
    rest = eye(D) - T - W @ A
    moment = rest @ S @ rest.T + W @ torch.diag(variances) @ W.T  # of what the decoder misses
    noise = MultivariateNormal(torch.zeros(D, **F64), s2 * eye(D))
    # E[-log N(e; 0, s^2 I)] for e of this second moment, through a KL and an entropy
    e = MultivariateNormal(torch.zeros(D, **F64), moment)
    delta = kl_divergence(e, noise) + e.entropy()
    mean_square = (A @ S @ A.T).diagonal()
    q = Normal(mean_square.sqrt(), variances.sqrt())  # the KL is linear in the squared mean
    return kl_divergence(q, Normal(0.0, 1.0)), delta


def optimum(S, s2, beta, T=None):
    """R of each latent and Delta of the best linear VAE, by L-BFGS from random weights."""
    free = [torch.randn(D, D, **F64), 0.3 * torch.randn(D, D, **F64), torch.zeros(D, **F64)]
    free = [v.requires_grad_() for v in free]
    climb = torch.optim.LBFGS(
        free, max_iter=1500, history_size=60, line_search_fn="strong_wolfe",
        tolerance_grad=1e-11, tolerance_change=1e-16,
    )  # fmt: skip

    def found():
        W, A, logvar = free
        return costs(S, W, A, logvar.exp(), s2, T)

    def closure():
        climb.zero_grad()
        rates, delta = found()
        (loss := delta + beta * rates.sum()).backward()
        return loss

    climb.step(closure)
    rates, delta = found()
    return rates.detach().sort(descending=True).values, delta.detach()


@pytest.mark.equation(by="exact", within=1e-9)
def test_eq_rd_bound(check):
    """Distortion, the best decoder's distortion, and the line H - R, in this order."""
    for _ in range(10):
        data, q = table(5), table(5, 3)  # five images, three codes
        aggregate = data @ q
        r = data[:, None] * q / aggregate  # r(x given z), column by column
        H = -(data * data.log()).sum()
        joint = data[:, None] * q
        information = (joint * (q / aggregate).log()).sum()
        check.equal(-(joint * r.log()).sum(), H - information)
        decoder, prior = table(3, 5).T, table(3)
        delta = -(joint * decoder.log()).sum()
        rate = (joint * (q / prior).log()).sum()
        check.at_most(H - information, delta)
        check.at_most(H - rate, H - information)
        # the best decoder and the best prior reach the line
        rate = (joint * (q / aggregate).log()).sum()
        check.equal(H - rate, -(joint * r.log()).sum())


def blahut_arimoto(data, decoder, beta):
    """R and Delta of the best encoder and prior for a fixed decoder (images, codes), all tables."""
    prior = torch.full_like(decoder[0], 1 / decoder.shape[1])
    for _ in range(5000):
        q = prior * decoder ** (1 / beta)
        q = q / q.sum(1, keepdim=True)
        prior = data @ q
    joint = data[:, None] * q
    return (torch.xlogy(joint, q / prior)).sum(), -(joint * decoder.log()).sum()


@pytest.mark.equation(by="exact", within=1e-3)
def test_eq_rd_slope(check):
    """The best encoders for two nearby beta lie along a line of slope -beta."""
    for beta in (0.5, 1.0, 1.5):
        data = table(6)
        decoder = (4 * eye(6)[:, :3] + torch.randn(6, 3, **F64)).softmax(0)  # no code is idle
        step = 0.01 * beta
        ends = [blahut_arimoto(data, decoder, beta + sign * step) for sign in (-0.5, 0.5)]
        (rate_a, delta_a), (rate_b, delta_b) = ends
        assert rate_a > rate_b + 1e-4
        check.equal(-beta, (delta_b - delta_a) / (rate_b - rate_a))


@pytest.mark.equation(by="autograd", within=1e-4)
def test_eq_rd_linear(check):
    """Rate and distortion from the eigenvalues are those of the linear VAE that training finds."""
    for beta, alive in ((1.0, D), (4.0, 2), (0.5, 3), (2.0, 0)):
        S = random_covariance()
        lam, _ = spectrum(S)
        edges = torch.cat([2 * lam[:1], lam, lam[-1:] / 3])
        s2 = (edges[alive] * edges[alive + 1]).sqrt() / beta
        rates, delta = optimum(S, s2, beta)
        book_rates, book_delta = book_curve(lam, s2, beta)
        check.equal(book_rates.sum(), rates.sum())
        check.equal(book_delta, delta)


@pytest.mark.equation(by="exact", within=1e-9)
def test_eq_rd_linear_gap(check):
    """What the optimum lacks to the entropy of Gaussian data, direction by direction."""
    for beta in (0.3, 1.0, 2.5):
        for level in (0.01, 0.5, 3.0):
            S, s2 = random_covariance(), torch.tensor(level, **F64)
            lam, U = spectrum(S)
            water = beta * s2
            # the optimum of chapter 6 at the noise sqrt(beta) s
            W = U * (lam - water).clamp(min=0).sqrt()
            variances = torch.minimum(water / lam, torch.ones(D, **F64))
            A = torch.diag((lam - water).clamp(min=0).sqrt() / lam) @ U.T
            rates, delta = costs(S, W, A, variances, s2)
            H = MultivariateNormal(torch.zeros(D, **F64), S).entropy()
            t = torch.minimum(lam / s2, torch.tensor(beta, **F64))
            check.equal((0.5 * (t - 1 - t.log())).sum(), rates.sum() + delta - H)


def information_of(q, weights=None):
    """I(n; z) of codes q (N, K) over K values, for images of equal or given probability."""
    weights = torch.full((len(q),), 1 / len(q), **F64) if weights is None else weights
    mixture = weights @ q
    return (weights[:, None] * q * (q / mixture).log()).sum()


@pytest.mark.equation(by="quadrature", within=1e-6)
def test_eq_index_cap(check):
    """The information about which of N images is at most log N, and reaches it far apart."""
    grid = torch.linspace(-60, 60, 60_001, **F64)
    for n in (2, 5, 9):
        for spread in (0.1, 1.0, 10.0):
            mu, sigma = spread * torch.arange(n, **F64) - spread * n / 2, 0.2 + torch.rand(n, 1) / 2
            log_q = Normal(mu[:, None], sigma.double()).log_prob(grid)
            log_mixture = log_q.logsumexp(0) - math.log(n)
            integrand = (log_q.exp() * (log_q - log_mixture)).mean(0)
            information = torch.trapezoid(integrand, grid)
            check.at_most(information, torch.tensor(math.log(n)).double())
        check.equal(information, math.log(n))


@pytest.mark.equation(by="exact", within=1e-9)
def test_eq_index_bias(check):
    """Over all choices of N images: what I_N lacks is the KL of their mean code to that of all."""
    for count in (1, 2, 3):
        data, q = table(4), table(4, 3)
        expected, divergence = 0.0, 0.0
        for chosen in itertools.product(range(4), repeat=count):
            probability = data[list(chosen)].prod()
            some = q[list(chosen)]
            expected += probability * information_of(some)
            mean = some.mean(0)
            divergence += probability * (mean * (mean / (data @ q)).log()).sum()
        check.equal(expected + divergence, information_of(q, data))


@pytest.mark.equation(by="exact", within=1e-9)
def test_eq_leave_one_out(check):
    """Over all choices of N images: too high, and exact where all codes are alike."""
    for count in (2, 3):
        for alike in (False, True):
            data, q = table(4), table(4, 3)
            q = q[:1].expand(4, 3) if alike else q
            bound = 0.0
            for chosen in itertools.product(range(4), repeat=count):
                own, others = q[chosen[0]], q[list(chosen[1:])]
                ratio = (own * (own / others.mean(0)).log()).sum()
                bound += data[list(chosen)].prod() * ratio
            check.at_most(information_of(q, data), bound)
            if alike:
                check.equal(bound, information_of(q, data))


@pytest.mark.equation(by="exact", within=1e-9)
def test_eq_gaussian_information(check):
    """Information and misfit of Gaussian codes, by KLs between Gaussians."""
    for _ in range(5):
        v, sigma2 = 2 * torch.rand(3, **F64), 0.05 + torch.rand(3, **F64)
        aggregate = Normal(torch.zeros(3, **F64), (v + sigma2).sqrt())
        # the KL is linear in the squared mean, whose expectation is v
        of_one = kl_divergence(Normal(v.sqrt(), sigma2.sqrt()), aggregate)
        check.equal(0.5 * torch.log((v + sigma2) / sigma2).sum(), of_one.sum())
        t = v + sigma2
        misfit = kl_divergence(aggregate, Normal(0.0, 1.0)).sum()
        check.equal((0.5 * (t - 1 - t.log())).sum(), misfit)
        # and the variance of the means, for images of 1.2 times the model's contrast
        Q = torch.linalg.qr(torch.randn(D, 3, **F64))[0]
        W, s2 = Q * (0.5 + torch.rand(3, **F64)), 0.3
        M = W.T @ W + s2 * eye(3)
        A = torch.linalg.solve(M, W.T)
        means = A @ (1.44 * (W @ W.T + s2 * eye(D))) @ A.T
        check.equal(1.44 * (1 - s2 / M.diagonal()), means.diagonal())


@pytest.mark.equation(by="autograd", within=1e-4)
def test_eq_collapse_rule(check):
    """A decoder that sees earlier pixels leaves the eigenvalues of the rest to the code."""
    for beta, alive in ((1.0, 2), (3.0, 1), (1.0, 0)):
        S = random_covariance()
        T = torch.randn(D, D, **F64).tril(-1)
        rest = (eye(D) - T) @ S @ (eye(D) - T).T
        lam, _ = spectrum(rest)
        edges = torch.cat([2 * lam[:1], lam])
        s2 = (edges[alive] * edges[alive + 1]).sqrt() / beta
        rates, _ = optimum(S, s2, beta, T)
        book = torch.where(lam > beta * s2, 0.5 * torch.log(lam / (beta * s2)), 0.0)
        check.equal(book, rates)
