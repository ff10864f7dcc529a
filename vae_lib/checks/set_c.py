"""Checks of problem set C, estimators and bounds.

Here: an exact log p(x) and a defensive proposal.  The log-weights stand in `set_c_weights` and
`set_c_error`, the gradients in `set_c_gradients` and `set_c_variance`.
"""

import math

import torch
from torch.distributions import LowRankMultivariateNormal

from .engine import Question, values
from .part_values import part_values
from .set_c_error import ERROR
from .set_c_gradients import TERMS
from .set_c_variance import BASELINE, PAIRS
from .set_c_weights import BOUND, GROUPS

LIBRARY = False  # the answers need torch alone: the grader's sandbox leaves vae_lib out

# -- an exact log p(x) ----------------------------------------------------------------------------


def _linear(generator):
    W, b = torch.randn(4, 2, generator=generator), torch.randn(4, generator=generator)
    return (
        2 * torch.randn(5, 4, generator=generator),
        W,
        b,
        0.4 + torch.rand((), generator=generator).item(),
    )


def _wide(generator):
    """300 pixels and little noise: the determinant is far below the smallest number."""
    W = torch.randn(300, 2, generator=generator)
    b = torch.randn(300, generator=generator)
    x = b + torch.randn(3, 2, generator=generator) @ W.T
    return x + 0.05 * torch.randn(3, 300, generator=generator), W, b, 0.05


def _exact(x, W, b, s, power=2, mean=1.0, add=0.0):
    """By torch's low-rank Gaussian: the same density by another road than the covariance."""
    x, W, b = x.double(), W.double(), b.double()
    density = LowRankMultivariateNormal(mean * b, W, torch.full_like(b, s**power))
    return density.log_prob(x) + add


def _precision(x, W, b, s):
    gap = (x - b).double()
    C = W.double() @ W.double().T + s**2 * torch.eye(len(b)).double()
    return gap, C


def _halves(det=0.5, square=0.5, C_of=lambda C, W, s: C):
    def density(x, W, b, s):
        gap, C = _precision(x, W, b, s)
        C = C_of(C, W.double(), s)
        quadratic = (gap * torch.linalg.solve(C, gap.T).T).sum(1)
        return -square * quadratic - det * torch.logdet(C) - len(b) / 2 * math.log(2 * math.pi)

    return density


EXACT = Question(
    "set-c-exact",
    "exact_log_px",
    minutes=25,
    checks=(
        values(
            "five images of four pixels",
            _linear,
            _exact,
            mistakes=(
                (
                    "s is a standard deviation: its square stands on the diagonal",
                    lambda *args: _exact(*args, power=1),
                ),
                ("the mean b is not subtracted", lambda *args: _exact(*args, mean=0.0)),
                (
                    "the constant counts all D pixels, not the J latents",
                    lambda x, W, b, s: _exact(x, W, b, s, add=math.log(2 * math.pi)),
                ),
                (
                    "the constant (2 pi)^(D/2) is missing",
                    lambda x, W, b, s: _exact(x, W, b, s, add=2 * math.log(2 * math.pi)),
                ),
                ("half of the log determinant belongs here", _halves(det=1.0)),
                ("the log determinant is missing", _halves(det=0.0)),
                ("half of the quadratic form belongs here", _halves(square=1.0)),
                (
                    "the code varies too: W W^T is missing in the covariance",
                    _halves(C_of=lambda C, W, s: C - W @ W.T),
                ),
                (
                    "the pixels do not vary alone: the covariances of W W^T are left out",
                    _halves(C_of=lambda C, W, s: torch.diag(C.diagonal())),
                ),
                (
                    "this is p(x), not its logarithm",
                    lambda *args: _exact(*args).exp(),
                ),
            ),
            points=5,
            rtol=1e-3,
            atol=1e-3,
        ),
        part_values(
            "images of 300 pixels",
            _wide,
            _exact,
            broken="the determinant underflows to 0: take logdet or slogdet, not log(det)",
            points=2,
            rtol=5e-3,
            atol=10.0,
        ),
    ),
)

# -- a defensive proposal -------------------------------------------------------------------------


def _densities(generator):
    log_px_z, log_pz, log_qz = torch.randn(3, 6, 4, generator=generator)
    share = 0.1 + 0.3 * torch.rand((), generator=generator).item()
    return log_px_z - 3, log_pz - 1, 1.5 * log_qz - 1, share


def _missed(generator):
    """Draws that q all but excludes, and draws that lie far out in the prior; two of the images
    lie far out in both."""
    log_px_z, log_pz, log_qz, share = _densities(generator)
    turn = torch.arange(6)[:, None] % 2
    out = torch.tensor([0, 0, 900, 900])
    return log_px_z, log_pz - 900 * turn - out, log_qz - 900 * (1 - turn) - out, share


def _defended(log_px_z, log_pz, log_qz, share):
    mixture = torch.stack([log_pz + math.log(share), log_qz + math.log1p(-share)]).double()
    return log_px_z + log_pz - torch.logsumexp(mixture, 0)


def _over(proposal):
    """log-weights with another log proposal(p, q, share), p and q densities."""
    return lambda a, p, q, share: a + p - proposal(p.double(), q.double(), share)


DEFENSIVE = Question(
    "set-c-defensive",
    "defensive_log_w",
    minutes=20,
    checks=(
        values(
            "the log-weights",
            _densities,
            _defended,
            mistakes=(
                ("these are the weights for draws from q alone: they came from a mixture",
                 _over(lambda p, q, share: q)),
                ("share belongs to the prior, 1 - share to q",
                 _over(lambda p, q, share: ((1 - share) * p.exp() + share * q.exp()).log())),
                ("this mixes the logarithms: a mixture adds densities",
                 _over(lambda p, q, share: share * p + (1 - share) * q)),
                ("the shares are missing in the mixture",
                 _over(lambda p, q, share: (p.exp() + q.exp()).log())),
                ("the prior is missing above: the weight is p(x, z) over the proposal",
                 lambda a, p, q, share: _defended(a, p, q, share) - p),
                ("the weight is upside down: the proposal stands below",
                 lambda a, p, q, share: a - p + (p + a - _defended(a, p, q, share))),
                ("these are the weights, not their logarithms",
                 lambda *args: _defended(*args).exp()),
            ),
            points=4,
        ),
        part_values(
            "draws that q, or the prior, all but excludes",
            _missed,
            _defended,
            broken="a density underflows to 0: add the two in log space, by logaddexp",
            points=2,
            rtol=1e-3,
            atol=2e-3,
        ),
    ),
)  # fmt: skip

QUESTIONS = (EXACT, BOUND, GROUPS, ERROR, DEFENSIVE, TERMS, BASELINE, PAIRS)
