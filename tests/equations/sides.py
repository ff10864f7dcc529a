"""The two sides of an equation, compared: what every equation test is written with."""

import math

import torch

# What a second side can be. "exact": both sides are evaluated without approximation.
METHODS = ("exact", "quadrature", "autograd", "Monte Carlo")


class Check:
    """Compares left and right sides and remembers the largest deviation.

    by: one of METHODS.  within: the largest deviation allowed, |left - right| / max(1, |right|),
    or for Monte Carlo the number of standard errors.  fault: an error planted in every left side,
    to see that the test would notice it.
    """

    def __init__(self, by, within, fault=0.0):
        if by not in METHODS:
            raise ValueError(f"by must be one of {METHODS}, got {by!r}")
        self.by, self.within, self.fault = by, within, fault
        self.largest, self.count = 0.0, 0

    def equal(self, left, right):
        """Assert that two numbers or tensors agree entry by entry."""
        left, right = self._planted(left), torch.as_tensor(right, dtype=torch.float64).detach()
        assert left.shape == right.shape, (left.shape, right.shape)
        self._note((left - right).abs() / right.abs().clamp(min=1), left, right)

    def mean(self, draws, exact):
        """Assert that independent draws (N, ...) have the mean `exact`."""
        draws = torch.as_tensor(draws, dtype=torch.float64).detach()
        exact = torch.as_tensor(exact, dtype=torch.float64).detach()
        left = self._planted(draws.mean(0))
        assert left.shape == exact.shape, (left.shape, exact.shape)
        standard_error = draws.std(0) / math.sqrt(len(draws))
        self._note((left - exact).abs() / (standard_error + 1e-12), left, exact)

    def at_most(self, lower, upper):
        """Assert lower <= upper, entry by entry.  Show with `equal` a case where both agree."""
        lower, upper = self._planted(lower), torch.as_tensor(upper, dtype=torch.float64).detach()
        assert lower.shape == upper.shape, (lower.shape, upper.shape)
        self._note((lower - upper).clamp(min=0) / upper.abs().clamp(min=1), lower, upper)

    def _planted(self, left):
        left = torch.as_tensor(left, dtype=torch.float64).detach()
        return left + self.fault * (1 + left.abs())

    def _note(self, deviation, left, right):
        assert deviation.numel() and deviation.isfinite().all(), (left, right)
        self.count += deviation.numel()
        self.largest = max(self.largest, deviation.max().item())
        assert self.largest <= self.within, f"{self.largest:.3g} > {self.within:g}: {left}, {right}"
