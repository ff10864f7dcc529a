"""Checks of chapter 6, the linear VAE."""

import math

import torch

from .chapter_06_collapse import SADDLE
from .chapter_06_missing import MISSING
from .chapter_06_noise import BETA
from .chapter_06_used import CLASSES
from .engine import Question, values
from .parts import part

# -- reconstruction and posterior -----------------------------------------------------------------


def _model(generator):
    """x, W with columns that are not orthogonal, b, s."""
    x = torch.randn(5, 4, generator=generator)
    W, b = torch.randn(4, 2, generator=generator), 2 * torch.randn(4, generator=generator)
    return x, W, b, 0.4 + torch.rand((), generator=generator).item()


def _joint(W, s):
    """The covariances Cov(z, x) and Cov(x, x) of the joint Gaussian."""
    return W.T, W @ W.T + s**2 * torch.eye(len(W))


def _rebuilt(x, W, b, s):
    """By conditioning the joint Gaussian of z and x, not by completing a square."""
    zx, xx = _joint(W, s)
    return b + (x - b) @ torch.linalg.inv(xx) @ zx.T @ W.T


def _covariance(x, W, b, s):
    zx, xx = _joint(W, s)
    return torch.eye(W.shape[1]) - zx @ torch.linalg.inv(xx) @ zx.T


LIMIT = Question(
    "ex-06-limit",
    "rebuild",
    minutes=20,
    checks=(
        part(
            0,
            2,
            values(
                "the reconstruction at the mean code",
                _model,
                _rebuilt,
                rtol=1e-3,
                atol=1e-4,
                mistakes=(
                    (
                        "this is the projection of PCA, the limit: for s > 0 the codes shrink",
                        lambda x, W, b, s: b + (x - b) @ (W @ torch.linalg.pinv(W)).T,
                    ),
                    (
                        "b is not added again: the decoder's mean is W z + b",
                        lambda x, W, b, s: _rebuilt(x, W, b, s) - b,
                    ),
                    (
                        "b is not subtracted before the encoding",
                        lambda x, W, b, s: _rebuilt(x + b, W, b, s),
                    ),
                    (
                        "the codes are W^T (x - b): the inverse of M is missing",
                        lambda x, W, b, s: b + (x - b) @ W @ W.T,
                    ),
                    (
                        "s stands where s^2 belongs",
                        lambda x, W, b, s: _rebuilt(x, W, b, math.sqrt(s)),
                    ),
                ),
            ),
        ),
        part(
            1,
            2,
            values(
                "the covariance of the posterior",
                _model,
                _covariance,
                rtol=1e-3,
                atol=1e-4,
                mistakes=(
                    (
                        "this is the inverse of M; the covariance is s^2 times it",
                        lambda x, W, b, s: _covariance(x, W, b, s) / s**2,
                    ),
                    (
                        "this is the precision; its inverse is asked for",
                        lambda *model: torch.linalg.inv(_covariance(*model)),
                    ),
                    (
                        "this is only its diagonal: the posterior is tilted where columns are not "
                        "orthogonal",
                        lambda *model: _covariance(*model).diagonal(),
                    ),
                    (
                        "1 / P_jj is the spread of the best diagonal q, not of the posterior",
                        lambda *model: torch.diag(
                            1 / torch.linalg.inv(_covariance(*model)).diagonal()
                        ),
                    ),
                    (
                        "the prior is forgotten: the precision is I + W^T W / s^2",
                        lambda x, W, b, s: s**2 * torch.linalg.inv(W.T @ W),
                    ),
                ),
            ),
        ),
    ),
)

QUESTIONS = (CLASSES, LIMIT, SADDLE, BETA, MISSING)
