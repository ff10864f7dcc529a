"""Draw the figures made for this book: `python book/figures/draw.py [folder]`.

The same script writes the same bytes; a test holds the committed SVG files to it. Blue is the
encoder, green the decoder, purple q(z|x), orange the noise eps, red the gradient; each of them
is also labelled, so that no meaning rests on colour alone.
"""

import math
import sys
from pathlib import Path

from parts import MU, SIGMA, Plane, draws, image, network, vector, volume
from pen import Figure

# The architecture of chapters 7 and 8; tests/test_figures.py compares it with vae_lib.nets.
IMAGE, CHANNELS, HIDDEN, KERNEL, STRIDE = 28, (32, 64), 128, 4, 2


def panel(f, top, heading, below, output, code):
    """One row of point_and_distribution; returns its latent plane."""
    cy = top + 148
    f.label(24, top + 34, heading, 17, anchor="start", bold=True)
    image(f, 34, cy - 36, 72)
    f.arrow((106, cy), (128, cy))
    network(f, 167, cy, 78, 100, 64, "encoder", "$ϕ$", "blue")
    plane = Plane(f, 338, cy, 184)
    network(f, 509, cy, 78, 64, 100, "decoder", "$θ$", "green")
    f.arrow((548, cy), (570, cy))
    image(f, 570, cy - 36, 72, blurred=True)
    f.label(70, cy + 66, "image $x$")
    f.label(606, cy + 66, output)
    f.label(226, cy - 10, code, 17)
    f.label(450, cy - 10, "$z$", 17)
    f.label(338, cy + 121, below)
    return plane


def decode(f, plane, z):
    """Mark z in the plane and lead it to the decoder."""
    (x, y), cy = plane.at(z), plane.center[1]
    f.arrow((x, y), (x + 40, y), (434, cy), (470, cy), curve=True)
    plane.chosen(z)


def point_and_distribution():
    f = Figure(
        "point_and_distribution",
        676,
        588,
        "A point or a distribution",
        "(a) An autoencoder maps an image x to one point z of the latent plane and decodes that "
        "point to a reconstruction; for this x, the points around z are never decoded in "
        "training. (b) A variational autoencoder maps x to a mean and a standard deviation per "
        "latent, drawn as ellipses; a point z drawn from this Gaussian q(z|x) is decoded to the "
        "distribution p(x|z).",
    )
    cloud = draws(70)
    plane = panel(
        f,
        0,
        "(a) Autoencoder: an image becomes a point",
        "For this $x$, training decodes the one point $z$, never its neighbours.",
        "reconstruction",
        "$z$",
    )
    plane.axes("never decoded", indent=20)
    plane.neighbours()
    f.arrow((206, plane.center[1]), (plane.center[0] - 6, plane.center[1]))
    decode(f, plane, MU)
    plane = panel(
        f,
        290,
        "(b) Variational autoencoder: an image becomes a distribution",
        "For this $x$, training decodes points $z$ drawn from all of $q_ϕ(z|x)$.",
        "$p_θ(x|z)$",
        "$μ, σ$",
    )
    plane.axes("contours: 1$σ$, 2$σ$")
    plane.ellipses()
    plane.dots(cloud[1:])
    f.arrow((206, plane.center[1]), plane.at((MU[0] - 2 * SIGMA[0], MU[1])))
    plane.mean()
    decode(f, plane, cloud[0])
    return f


def column(f, cx, stroke, down, steps):
    """The stack of volumes and vectors at cx, with arrows down (encoder) or up (decoder)."""
    sides = [IMAGE // STRIDE**i for i in range(len(CHANNELS) + 1)]
    image(f, cx - 1.5 * IMAGE, 144 - 3 * IMAGE, 3 * IMAGE, blurred=not down)
    for channels, side, bottom in zip(CHANNELS, sides[1:], (248, 344), strict=True):
        volume(f, cx, bottom, channels, side, stroke)
    flat = CHANNELS[-1] * sides[-1] ** 2
    vector(f, cx, 388, flat, stroke)
    vector(f, cx, 444, HIDDEN, stroke)
    for (y0, y1), text in zip([(144, 196), (248, 302), (344, 388), (400, 444)], steps, strict=True):
        y0, y1 = y0 + 4, y1 - 4
        f.arrow((cx, y0 if down else y1), (cx, y1 if down else y0))
        for i, line in enumerate(text):
            y = (y0 + y1) / 2 + 5 + 18 * (i - (len(text) - 1) / 2)
            f.label(cx + (12 if down else -12), y, line, 14.5, "muted", "start" if down else "end")


def heads(f):
    """The part of the architecture that differs: CAE with one head, VAE with two."""
    f.rect(20, 488, 600, 292, "purple", "purple", radius=12, opacity=0.06, dash="7 5")
    f.label(320, 516, "What differs: one head or two", 17, bold=True)
    for name, note, y in [("CAE", "one head", 560), ("VAE", "two heads", 654)]:
        f.label(72, y - 2, name, 18, bold=True)
        f.label(72, y + 18, note, 14.5, "muted")
    f.arrow((40, 602), (600, 602), stroke="purple", width=1, dash="2 4", head=False)
    f.arrow((130, 460), (130, 684), head=False)
    f.box(400, 560, 118, 42, "code $z$ ($J$)", "purple")
    f.arrow((130, 560), (341, 560))
    for y, text in [(628, "$μ$ ($J$)"), (684, "$log σ^2$ ($J$)")]:
        f.arrow((130, y), (190, y))
        f.box(238, y, 96, 40, text, "purple")
        f.arrow((286, y), (325, 656 + (y - 656) / 4))
    f.label(236, 552, "linear", 14.5, "muted")
    f.label(158, 620, "linear", 14.5, "muted")
    f.label(158, 676, "linear", 14.5, "muted")
    f.box(400, 656, 150, 44, "$z = μ + σ ⊙ ε$", "purple")
    f.random_node(400, 738, 24, "$ε$")
    f.label(434, 744, "$ε ∼ N(0, I)$", 16, anchor="start")
    f.arrow((400, 714), (400, 678))
    f.arrow((475, 656), (510, 656), (510, 560), head=False)
    f.arrow((459, 560), (510, 560), (510, 460))
    f.label(40, 760, "($J$): one value per latent", 14.5, "muted", "start")


def architecture():
    f = Figure(
        "architecture",
        640,
        800,
        "One architecture, with one head or with two",
        "Encoder: image 1x28x28, convolution 4x4 with stride 2 to 32x14x14, another to 64x7x7, "
        "flattened to 3136 numbers, linear layer to 128. The decoder mirrors it with two linear "
        "layers and two transposed convolutions and ends in 1x28x28 logits. Between them the CAE "
        "has one linear head, the code z with J values; the VAE has two, mu and log sigma "
        "squared, and z = mu + sigma times eps with eps drawn from N(0, I).",
    )
    f.label(130, 38, "encoder $ϕ$", 18, "blue", bold=True)
    f.label(510, 38, "decoder $θ$", 18, "green", bold=True)
    sides = [IMAGE // STRIDE**i for i in range(3)]
    shapes = [f"{c} × {s} × {s}" for c, s in zip((1, *CHANNELS), sides, strict=True)]
    flat = CHANNELS[-1] * sides[-1] ** 2
    tiers = [
        (102, 43, shapes[0]),
        (222, 30, shapes[1]),
        (328, 27, shapes[2]),
        (394, 98, str(flat)),
        (450, 4, str(HIDDEN)),
    ]
    for y, half, text in tiers:
        f.arrow((136 + half, y), (504 - half, y), stroke="line", width=1, dash="2 4", head=False)
        gap = 9.4 * len(text) + 20
        f.rect(320 - gap / 2, y - 10, gap, 20, "paper", None)
        f.label(320, y + 5.5, text, 16)
    kernel = f"{KERNEL}×{KERNEL}, stride {STRIDE}"
    column(f, 130, "blue", True, [("conv", kernel)] * 2 + [("flatten",), ("linear",)])
    column(f, 510, "green", False, [("transposed conv", kernel)] * 2 + [("reshape",), ("linear",)])
    f.label(72, 74, "$x$", 19)
    f.label(568, 74, "logits", 16, anchor="start")
    heads(f)
    f.label(522, 480, "linear", 14.5, "muted", "start")
    return f


def link(f, start, end, side=0):
    """An edge of a graph. Unless side is 0, a dashed gradient runs back at that side of it."""
    (x0, y0), (x1, y1) = start, end
    dx = side * 6 * math.hypot(x1 - x0, y1 - y0) / (y1 - y0)  # keeps the two lines 12 apart
    f.arrow((x0 - dx, y0), (x1 - dx, y1))
    if side:
        f.arrow((x1 + dx, y1), (x0 + dx, y0), stroke="red", dash="6 4")


def graph(f, cx, side):
    """The nodes that both panels share, and the edges from phi to z, with gradients or none."""
    for sign in (-1, 1):
        link(f, (cx + 16 * sign, 112), (cx + 72 * sign, 164), sign * side)
        link(f, (cx + 72 * sign, 208), (cx + 20 * sign, 270), sign * side)
    f.box(cx, 90, 76, 44, "$ϕ$", "blue", 19)
    f.box(cx - 75, 186, 60, 44, "$μ$", "purple", 19)
    f.box(cx + 75, 186, 60, 44, "$σ$", "purple", 19)
    f.box(cx, 416, 84, 44, "$f(z)$", "green", 19)


def before(f, cx):
    """z is a random node: the gradient that comes back from f stops there."""
    f.label(cx, 40, "Before: $z$ is drawn", 18, bold=True)
    graph(f, cx, 0)
    f.random_node(cx, 292, 29, "$z$")
    f.label(cx - 38, 298, "$z ∼ N(μ, σ^2)$", 16, anchor="end")
    f.arrow((cx - 6, 321), (cx - 6, 394))
    f.arrow((cx + 6, 394), (cx + 6, 345), stroke="red", dash="6 4")
    for sign in (-1, 1):
        ends = (cx - 1, 334 - 7 * sign), (cx + 13, 334 + 7 * sign)
        f.arrow(*ends, stroke="red", width=3.5, head=False)
    for i, line in enumerate(["gradient stops:", "a draw is not a", "function of $μ$, $σ$"]):
        f.label(cx + 28, 342 + 20 * i, line, 15, "red", "start")


def after(f, cx):
    """z is computed from mu, sigma and eps: the gradient reaches phi."""
    f.label(cx, 40, "After: $z$ is computed", 18, bold=True)
    graph(f, cx, 1)
    link(f, (cx, 314), (cx, 394), 1)
    f.box(cx, 292, 126, 44, "$z = μ + σ ⊙ ε$", "purple")
    f.label(cx - 66, 250, "$∂z/∂μ = 1$", 16, "red", "end")
    f.label(cx + 66, 250, "$∂z/∂σ = ε$", 16, "red", "start")
    f.random_node(cx + 124, 292, 25, "$ε$")
    f.arrow((cx + 99, 292), (cx + 63, 292))
    f.label(cx + 110, 342, "$ε ∼ N(0, I)$", 16)
    f.label(cx + 110, 362, "no parameters", 14.5, "muted")


def graph_before_after():
    f = Figure(
        "graph_before_after",
        660,
        510,
        "The computational graph before and after the trick",
        "Before: phi gives mu and sigma, z is drawn from N(mu, sigma squared), and the gradient "
        "that comes back from f(z) stops at the random node z. After: z is computed as mu plus "
        "sigma times eps, where eps is drawn from N(0, I) and enters from the side without "
        "parameters; the gradient runs back through z, with dz/dmu = 1 and dz/dsigma = eps, to "
        "mu, sigma and phi.",
    )
    f.arrow((324, 24), (324, 444), stroke="line", width=1, head=False)
    before(f, 164)
    after(f, 480)
    f.arrow((24, 458), (636, 458), stroke="line", width=1, head=False)
    f.rect(24, 472, 30, 22, "line", "line", opacity=0.1)
    f.random_node(238, 483, 12)
    f.arrow((410, 483), (446, 483))
    f.arrow((565, 483), (525, 483), stroke="red", dash="6 4")
    for x, text in [
        (62, "given or computed"),
        (258, "drawn at random"),
        (454, "value"),
        (573, "gradient"),
    ]:
        f.label(x, 488, text, 14.5, anchor="start")
    return f


def pipeline(f, cy):
    """The upper row of vae_pipeline: from an image to the distribution of its pixels."""
    image(f, 32, cy - 48, 96)
    f.arrow((128, cy), (162, cy))
    network(f, 223, cy, 122, 140, 90, "encoder", "$ϕ$", "blue", size=20)
    plane = Plane(f, 412, cy, 140)
    plane.ellipses()
    plane.dots(draws(50))
    f.arrow((284, cy), plane.at((MU[0] - 2 * SIGMA[0], MU[1])))
    f.arrow((482, cy), (518, cy))
    f.box(595, cy, 154, 56, "$z = μ + σ ⊙ ε$", "purple", 20)
    f.random_node(595, cy - 96, 25, "$ε$", size=22)
    f.arrow((595, cy - 71), (595, cy - 28))
    f.label(630, cy - 89, "$ε ∼ N(0, I)$", 20, anchor="start")
    f.arrow((672, cy), (716, cy))
    network(f, 777, cy, 122, 90, 140, "decoder", "$θ$", "green", size=20)
    f.arrow((838, cy), (872, cy))
    image(f, 872, cy - 48, 96, blurred=True)
    f.label(80, cy + 76, "image $x$", 20)
    f.label(313, cy - 12, "$μ, σ$", 20)
    f.label(694, cy - 12, "$z$", 20)
    f.label(412, cy - 84, "$q_ϕ(z|x)$", 20)
    f.label(920, cy + 76, "$p_θ(x|z)$", 20)


def vae_pipeline():
    f = Figure(
        "vae_pipeline",
        1000,
        410,
        "The variational autoencoder and its objective",
        "The encoder phi maps an image x to mu and sigma of the Gaussian q(z|x); z = mu + sigma "
        "times eps with eps drawn from N(0, I); the decoder theta maps z to p(x|z). Below, the "
        "objective: ELBO(x) = E_q[log p(x|z)] - KL(q(z|x) || p(z)). The first term comes from "
        "the decoder's p(x|z), the second from the encoder's q(z|x).",
    )
    cy, y = 148, 318
    pipeline(f, cy)
    f.label(300, y + 7, "ELBO($x$)  =", 22, anchor="end", bold=True)
    f.box(420, y, 216, 50, "$E_q[ log p_θ(x|z) ]$", "green", 21)
    f.label(548, y + 7, "−", 24)
    f.box(696, y, 264, 50, "$KL( q_ϕ(z|x) ‖ p(z) )$", "purple", 21)
    f.arrow((412, cy + 70), (412, 256), (696, 256), (696, y - 25), stroke="purple", width=2.2)
    f.arrow((920, cy + 90), (920, 382), (420, 382), (420, y + 25), stroke="green", width=2.2)
    f.label(424, 247, "how far $q$ lies from the prior $p(z)$", 17, "muted", "start")
    f.label(908, 373, "how well each drawn $z$ explains $x$", 17, "muted", "end")
    return f


FIGURES = (point_and_distribution, architecture, graph_before_after, vae_pipeline)


def main(folder):
    for draw in FIGURES:
        figure = draw()
        (Path(folder) / f"{figure.name}.svg").write_bytes(figure.svg().encode())


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)
