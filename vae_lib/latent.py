"""Walking in a latent space: a grid of equal mass, two paths between codes, a direction."""

import math

import torch


def normal_grid(n):
    """Codes (n * n, 2) on a square grid of the plane, each for the same share of N(0, I).

    Coordinates are Phi^-1((i + 1/2) / n), the medians of n slices of equal probability.  Row by
    row from the top, as `plot_manifold` takes images: z2 falls, z1 rises.  Raises ValueError for
    n < 1.  Kingma & Welling 2013, App. A.
    """
    if n < 1:
        raise ValueError(f"a grid needs at least one row, got n = {n}")
    axis = torch.special.ndtri((torch.arange(n, dtype=torch.float64) + 0.5) / n)
    return torch.cartesian_prod(-axis, axis).flip(1).float()


def lerp(a, b, t):
    """Codes on the straight line from a to b, (..., J) each, at t (T,): (..., T, J)."""
    a, b, t = a[..., None, :], b[..., None, :], t[:, None]
    return (1 - t) * a + t * b


def slerp(a, b, t):
    """Codes on an arc about the origin from a to b, (..., J) each, at t (T,): (..., T, J).

    (sin((1 - t) w) a + sin(t w) b) / sin w, where w is the angle between a and b.  Where
    |a| = |b| it keeps that length and an even speed; parallel codes it joins by the line.
    Raises ValueError for a code of length 0 and for opposite ones, which no single arc joins.
    Shoemake 1985; White 2016.
    """
    length_a, length_b = a.norm(dim=-1, keepdim=True), b.norm(dim=-1, keepdim=True)
    if (length_a == 0).any() or (length_b == 0).any():
        raise ValueError("a code of length 0 has no direction: use lerp")
    u, v = a / length_a, b / length_b
    # the angle, unlike from an inverse cosine, without loss near 0 and near pi
    w = 2 * torch.atan2((u - v).norm(dim=-1), (u + v).norm(dim=-1))
    if (w > math.pi - 1e-3).any():
        raise ValueError("opposite codes: every half circle joins them; go by way of a third")
    turn, t = w[..., None, None] / math.pi, t[:, None]
    # sin(t w) / sin(w), which tends to t for w to 0
    start, end = ((s * torch.sinc(s * turn) / torch.sinc(turn)) for s in (1 - t, t))
    return start * a[..., None, :] + end * b[..., None, :]


def attribute_direction(codes, has):
    """From the mean of the codes without an attribute to the mean of those with it: (J,).

    codes: (N, J).  has: (N,), true where the image has it.  That a step along the direction
    changes the attribute, and what else it changes, has to be measured on images.
    Raises ValueError unless some have it and some do not.  Larsen et al. 2016; White 2016.
    """
    has = has.bool()
    if not has.any() or has.all():
        raise ValueError(
            f"{int(has.sum())} of {len(has)} have the attribute: a direction needs both"
        )
    return codes[has].mean(0) - codes[~has].mean(0)
