"""The parts that the figures of draw.py are put together from."""

import math
import random

from pen import number

# The Gaussian q(z|x) of the pictures: its ellipses and its draws come from these numbers. The
# seed is one whose first draw, the z that is decoded, lies clear of the mean.
MU, SIGMA, SEED = (0.8, -0.5), (0.95, 0.6), 12719

# One digit a pixel, 0 to 9.
SHIRT = [
    "00007000070000",
    "00788400487700",
    "08888888888880",
    "88898888889888",
    "88798888889788",
    "87698888889678",
    "76098888889067",
    "00098888889000",
    "00054444445000",
    "00098888889000",
    "00054444445000",
    "00098888889000",
    "00098888889000",
    "00077777777000",
]


def draws(n):
    """n draws from N(MU, diag SIGMA^2), the same on every run."""
    source = random.Random(SEED)
    return [tuple(source.gauss(m, s) for m, s in zip(MU, SIGMA, strict=True)) for _ in range(n)]


def shirt_levels(blurred):
    """The pixels of the shirt by grey level; blurred with weights 1 2 1, as a mean image is."""
    grey = {(i, j): int(digit) for i, row in enumerate(SHIRT) for j, digit in enumerate(row)}
    near = [(a, b, (2 - abs(a)) * (2 - abs(b))) for a in (-1, 0, 1) for b in (-1, 0, 1)]
    levels = {}
    for (i, j), digit in grey.items():
        total = 16 * digit  # an integer: float sums differ between Python versions
        if blurred:
            total = sum(w * grey.get((i + a, j + b), 0) for a, b, w in near)
        levels.setdefault(round(total / 8) / 20, []).append((i, j))
    return {level: levels[level] for level in sorted(levels) if level > 0}


def image(f, x, y, size, blurred=False):
    """The shirt in a frame whose upper left corner is at x, y."""
    f.rect(x, y, size, size, "fill", "line", radius=3)
    pad = size / 12
    cell = (size - 2 * pad) / len(SHIRT)
    side = number(0.9 * cell)
    for level, pixels in shirt_levels(blurred).items():
        corners = [(number(x + pad + j * cell), number(y + pad + i * cell)) for i, j in pixels]
        path = "".join(f"M{px} {py}h{side}v{side}h-{side}z" for px, py in corners)
        f.add("path", None, "ink", d=path, fill_opacity=level)


def network(f, cx, cy, w, left, right, text, symbol, stroke, size=16):
    """A network as a trapezoid, `left` and `right` high, that narrows towards the code."""
    x0, x1 = cx - w / 2, cx + w / 2
    corners = [(x0, cy - left / 2), (x1, cy - right / 2), (x1, cy + right / 2), (x0, cy + left / 2)]
    f.polygon(corners, stroke, stroke, opacity=0.12)
    f.label(cx, cy - 2, text, size)
    f.label(cx, cy + 1.2 * size, symbol, size + 2)


class Plane:
    """A square window on the latent plane, five units wide, with MU in its middle."""

    def __init__(self, f, cx, cy, size):
        self.f, self.unit, self.center = f, size / 5, (cx, cy)
        f.rect(cx - size / 2, cy - size / 2, size, size, "fill", "line", radius=4)

    def axes(self, note, indent=8):
        """Name the axes along the frame and say below what is seen."""
        (cx, cy), half = self.center, 2.5 * self.unit
        self.f.label(cx + half - 14, cy + half - 8, "$z_1$", 15, "muted")
        self.f.label(cx - half + 14, cy - half + 18, "$z_2$", 15, "muted")
        self.f.label(cx - half + indent, cy + half - 9, note, 13.5, "muted", "start")

    def at(self, z):
        """Where the latent point z lies on the paper."""
        (cx, cy), (dx, dy) = self.center, (z[0] - MU[0], z[1] - MU[1])
        return cx + dx * self.unit, cy - dy * self.unit

    def ellipses(self):
        """Contours of q(z|x) at two and one standard deviations."""
        rx, ry = SIGMA[0] * self.unit, SIGMA[1] * self.unit
        for k in (2, 1):
            self.f.add(
                "ellipse",
                None,
                "purple",
                "purple",
                cx=self.center[0],
                cy=self.center[1],
                rx=k * rx,
                ry=k * ry,
                fill_opacity=0.12,
                stroke_width=1.3,
            )

    def dots(self, points):
        for point in points:
            self.f.circle(*self.at(point), 2.2, "purple")

    def neighbours(self):
        """Hollow dots in two rings around the mean, and one more for the note below them."""
        angles = [math.pi * (k + 0.5) / 4 for k in range(8)]
        ring = [(r * math.cos(a), r * math.sin(a)) for r in (0.55, 1.1) for a in angles]
        for dx, dy in [*ring, (-2.17, -2.13)]:
            self.f.circle(*self.at((MU[0] + dx, MU[1] + dy)), 2.8, None, "muted", width=1.2)

    def mean(self):
        """A cross at the mean, with its name."""
        x, y = self.center
        self.f.arrow((x - 6, y), (x + 6, y), width=2, head=False)
        self.f.arrow((x, y - 6), (x, y + 6), width=2, head=False)
        self.f.label(x - 13, y + 17, "$μ$", 17, halo="fill")

    def chosen(self, z):
        """Mark the one z that goes to the decoder."""
        self.f.circle(*self.at(z), 5, "ink", "paper")


def volume(f, cx, bottom, channels, side, stroke):
    """A channels x side x side volume: 3 px a pixel, a channel 0.5 px deep. Returns its top."""
    w, dx, dy = 3 * side, 0.5 * channels, -0.32 * channels
    x0, x1, y0 = cx - (w + dx) / 2, cx + (w - dx) / 2, bottom - w
    f.rect(x0, y0, w, w, stroke, stroke, radius=0, opacity=0.14)
    if channels > 1:
        top = [(x0, y0), (x0 + dx, y0 + dy), (x1 + dx, y0 + dy), (x1, y0)]
        f.polygon(top, stroke, stroke, opacity=0.07)
        flank = [(x1, y0), (x1 + dx, y0 + dy), (x1 + dx, bottom + dy), (x1, bottom)]
        f.polygon(flank, stroke, stroke, opacity=0.24)
    return y0 + dy


def vector(f, cx, top, length, stroke):
    """A vector as a bar, 1/16 px a unit."""
    f.rect(cx - length / 32, top, length / 16, 12, stroke, stroke, radius=0, opacity=0.3)
