"""Check of chapter 6: what a linear model lacks to the exact optimum."""

import math

import torch

from .engine import Question, values
from .parts import part


def _trained(generator):
    """Images, and a model that training has not finished."""
    x = torch.randn(30, 6, generator=generator) * torch.linspace(2, 0.3, 6)
    x = x @ torch.linalg.qr(torch.randn(6, 6, generator=generator))[0]
    x = x + torch.randn(6, generator=generator)
    W = torch.randn(6, 3, generator=generator)
    W[:, 1:] += 0.7 * W[:, :1]  # a tilted posterior
    return x, W, 0.4 + 0.2 * torch.rand((), generator=generator).item()


def _log_evidence(x, C, mean=None):
    """By whitening every image, without the trace."""
    centred = x - (x.mean(0) if mean is None else mean)
    root = torch.linalg.cholesky(C)
    white = torch.linalg.solve_triangular(root, centred.T, upper=False).square().sum(0)
    return -0.5 * (white + len(C) * math.log(2 * math.pi)).mean() - root.diagonal().log().sum()


def _best(x, J, s2=None):
    """The best covariance with J latents: the spectrum above the water, the water below it."""
    centred = x - x.mean(0)
    lam, U = torch.linalg.eigh(centred.T @ centred / len(x))
    s2 = lam[:-J].mean() if s2 is None else s2
    c = torch.cat((s2 * torch.ones(len(lam) - J), lam[-J:].clamp(min=s2)))
    return U @ torch.diag(c) @ U.T


def _covariance(W, s):
    return W @ W.T + s**2 * torch.eye(len(W))


def _short(x, W, s, best_s2=None, mean=None):
    top = _log_evidence(x, _best(x, W.shape[1], best_s2), mean)
    return top - _log_evidence(x, _covariance(W, s), mean)


def _precision(W, s):
    return torch.eye(W.shape[1]) + W.T @ W / s**2


def _kl(variances, P):
    """KL of a diagonal Gaussian from one of precision P and the same mean."""
    trace = (variances * P.diagonal()).sum()
    return 0.5 * (trace - len(P) - variances.log().sum() - P.logdet())


def _gap(x, W, s):
    P = _precision(W, s)
    return _kl(1 / P.diagonal(), P)


def _from_variances(x, W, s):
    """The gap of a q with the posterior's own variances."""
    P = _precision(W, s)
    return _kl(torch.linalg.inv(P).diagonal(), P)


def _from_covariance(x, W, s):
    """Equal to the gap for two latents, and for no more than two."""
    V = torch.linalg.inv(_precision(W, s))
    return 0.5 * (V.diagonal().log().sum() - V.logdet())


MISSING = Question(
    "ex-06-missing",
    "missing_nats",
    minutes=30,
    checks=(
        part(
            0,
            2,
            values(
                "missing in the likelihood",
                _trained,
                _short,
                rtol=1e-3,
                atol=1e-3,
                mistakes=(
                    (
                        "the best model has an s of its own, the root of the mean discarded "
                        "eigenvalue",
                        lambda x, W, s: _short(x, W, s, best_s2=s**2),
                    ),
                    (
                        "subtract the mean image first: the best b is the mean",
                        lambda x, W, s: (
                            _log_evidence(x, _best(x, W.shape[1]))
                            - _log_evidence(x, _covariance(W, s), torch.zeros(x.shape[1]))
                        ),
                    ),
                    (
                        "this is the sum over the images; nats per image are asked for",
                        lambda x, W, s: len(x) * _short(x, W, s),
                    ),
                    (
                        "this is the log-likelihood of the model, not what it lacks to the best",
                        lambda x, W, s: _log_evidence(x, _covariance(W, s)),
                    ),
                    (
                        "this is L* itself, not what the model lacks to it",
                        lambda x, W, s: _log_evidence(x, _best(x, W.shape[1])),
                    ),
                    (
                        "the noise adds s^2 to C, not s",
                        lambda x, W, s: _short(x, W, math.sqrt(s)),
                    ),
                    (
                        "log det C is forgotten: both models have a determinant of their own",
                        lambda x, W, s: (
                            _short(x, W, s)
                            + 0.5 * (_best(x, W.shape[1]).logdet() - _covariance(W, s).logdet())
                        ),
                    ),
                ),
            ),
        ),
        part(
            1,
            2,
            values(
                "lost by a diagonal q",
                _trained,
                _gap,
                rtol=3e-4,
                atol=2e-5,
                mistakes=(
                    ("the half is missing", lambda *args: 2 * _gap(*args)),
                    (
                        "this is all that the ELBO lacks; only the diagonal q's part is asked for",
                        lambda *args: _short(*args) + _gap(*args),
                    ),
                    (
                        "the best sigma_j^2 is 1 / P_jj, not the posterior's variance",
                        _from_variances,
                    ),
                    (
                        "this is taken from the covariance: the gap has the precision's diagonal",
                        _from_covariance,
                    ),
                    (
                        "this is for W^T W alone: the prior adds the identity to the precision",
                        lambda x, W, s: (
                            0.5 * ((W.T @ W).diagonal().log().sum() - (W.T @ W).logdet())
                        ),
                    ),
                    (
                        "W^T W is divided by s^2, not by s",
                        lambda x, W, s: _gap(x, W, math.sqrt(s)),
                    ),
                ),
            ),
        ),
    ),
)
