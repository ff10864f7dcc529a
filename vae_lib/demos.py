"""Two page-level pieces: the reparameterization trick (chapter 5) and beta (chapter 4).

Show one as the last line of a cell.  They need no kernel: see `pieces`.
"""

import base64
import math
from itertools import product

import numpy as np
import torch

from .artifacts import load_run
from .data import FASHION_CLASSES, binarize, load_fashion_mnist
from .evaluate import posterior
from .pieces import exported, packed, page, png
from .stills import CLASS_COLOURS

_LIMITS = {"mu": (-2.0, 2.0), "sigma": (0.05, 1.2), "eps": (-3.0, 3.0)}
_START = {"mu": 0.5, "sigma": 0.8, "eps": 1.0}  # the draw of chapter 5: z = 1.3
_BETAS = (0.25, 1, 4, 16, 40, 100)  # of experiments/train_beta.py
_PER_CLASS, _SIDE = 15, 4.0  # ellipses of each class; the plane reaches from -_SIDE to _SIDE


class ReparameterizationDemo:
    """Drag mu, sigma and eps; see z = mu + sigma * eps, the gradients, and the sigma^2 mistake.

    f(z) = z^2 + sin z, as in chapter 5, so the exact gradient of E f(z) is known.
    """

    def __repr__(self):
        return "an interactive piece: z = mu + sigma * eps, to be dragged"

    def _repr_html_(self):
        data = {"limits": _LIMITS, "start": _START}
        return page("reparameterization", data, _still_trick(), _ALT_TRICK)


class BetaDemo:
    """Turn beta; see how the codes of test images widen, what is decoded, and what it costs.

    Six stored VAEs with two latents, trained by experiments/train_beta.py on binarised
    Fashion-MNIST.  Rate and distortion are those of the manifest, over 10,000 test images.
    """

    def __repr__(self):
        return f"an interactive piece: VAEs with beta from {_BETAS[0]} to {_BETAS[-1]}"

    def _repr_html_(self):
        x, labels = _test_images()
        models, runs = _models(x), []
        codes = torch.stack([_codes(model, x) for model in models])
        for beta, model in zip(_BETAS, models, strict=True):
            test = load_run(f"beta_{beta:g}")[1]["metrics"]["test"]
            signs = {"rate": ("kl", 1), "distortion": ("log_px_z", -1), "elbo": ("value", 1)}
            parts = {name: sign * test[part]["mean"] for name, (part, sign) in signs.items()}
            runs.append(dict(beta=beta, **parts, decoder=_lighter(exported(model))))
        inside = (codes[:, :, :2].abs() < _SIDE).all(2).all(0)  # in the planes of all six
        chosen = [((labels == c) & inside).nonzero()[0].item() for c in range(10)]
        data = {
            "runs": runs,
            "classes": FASHION_CLASSES,
            "labels": packed(labels, "u8"),
            "codes": packed(codes, "f16"),
            "images": packed(np.packbits(x[chosen].bool().flatten(1).numpy(), 1), "u8"),
            "chosen": chosen,
            "side": _SIDE,
            "start": _BETAS.index(1),
            "image": FASHION_CLASSES.index("trouser"),
        }
        return page("beta", data, _still_beta(models, codes, x[chosen], labels), _ALT_BETA)


def _test_images():
    """The first test images of each class, binarised, (N, 1, 28, 28), and their labels (N,)."""
    images, labels = load_fashion_mnist("test")
    order = torch.cat([(labels == c).nonzero()[:_PER_CLASS, 0] for c in range(10)])
    return binarize(images, torch.Generator().manual_seed(0))[order], labels[order]


def _models(x):
    """The six models, their axes turned to agree with those of beta = 1."""
    models = [load_run(f"beta_{beta:g}")[0] for beta in _BETAS]
    reference = posterior(models[_BETAS.index(1)], x)[0]
    for model in models:
        _turn(model, posterior(model, x)[0], reference)
    return models


@torch.no_grad()
def _turn(model, mu, reference):
    """Swap the two latents or their signs, in place, so that mu comes close to the reference.

    N(0, I) does not change by it, so rate, distortion and what is decoded stay what they were.
    """
    turns = [
        (order, torch.tensor(signs, dtype=mu.dtype))
        for order in ([0, 1], [1, 0])
        for signs in product((1, -1), repeat=2)
    ]
    order, signs = max(turns, key=lambda turn: (mu[:, turn[0]] * turn[1] * reference).sum())
    first, (head_mu, head_logvar) = model.decoder.net[0], model.encoder.heads
    first.weight.copy_(first.weight[:, order] * signs)
    head_mu.weight.copy_(head_mu.weight[order] * signs[:, None])
    head_mu.bias.copy_(head_mu.bias[order] * signs)
    head_logvar.weight.copy_(head_logvar.weight[order])
    head_logvar.bias.copy_(head_logvar.bias[order])


def _codes(model, x):
    """mu and sigma of q(z given x): (N, 4)."""
    mu, logvar = posterior(model, x)
    return torch.cat([mu, torch.exp(0.5 * logvar)], 1)


def _lighter(decoder):
    """An exported decoder with its float32 numbers in 16 bits, which is how the run is stored."""
    for layer in decoder["layers"]:
        for name in ("weight", "bias", "scale"):
            if layer.get(name, {}).get("type") == "f32":
                values = np.frombuffer(base64.b64decode(layer[name]["data"]), "<f4")
                layer[name] = packed(values, "f16")
    return decoder


_ALT_TRICK = (
    "Three axes. The noise eps = 1 on the upper one is joined by a straight arrow to z = 1.3 on "
    "the one below, where the density of z, with mean 0.5 and standard deviation 0.8, is drawn. "
    "Below, the curve z squared plus sin z with its tangent at z, of slope 2.87. That slope is "
    "the guess for the gradient in mu; times eps, for the gradient in sigma."
)
_ALT_BETA = (
    "Three latent planes with the codes of 150 test images as ellipses. At beta 0.25 they are "
    "dots, spread wide. At beta 16 they are discs that overlap and fill the circle of the prior. "
    "At beta 100 all are one circle, the prior. Beneath each plane five reconstructions: clear at "
    "0.25, blurred at 16, and at 100 the same grey cloud five times."
)


def _still_trick():
    """The piece in its first position, as PNG bytes."""
    import matplotlib.pyplot as plt  # slow to import, so only when a figure is drawn

    mu, sigma, eps = _START.values()
    z, grid = mu + sigma * eps, np.linspace(-4, 4, 321)
    slope = 2 * z + math.cos(z)
    figure, axes = plt.subplots(3, 1, figsize=(7.2, 4.6), sharex=True, layout="constrained")
    axes[0].plot(grid, np.exp(-(grid**2) / 2), "C1", label="noise eps ~ N(0, 1)")
    axes[0].plot(eps, 0, "C1o", clip_on=False)
    axes[1].plot(grid, np.exp(-(((grid - mu) / sigma) ** 2) / 2), "C0", label="code z")
    axes[1].plot(z, 0, "C0o", clip_on=False)
    axes[1].annotate("", (z, 0), (eps, 1.25), arrowprops=dict(arrowstyle="->", color="C1"))
    axes[2].plot(grid, grid**2 + np.sin(grid), "k", label="f(z) = z² + sin z")
    axes[2].plot(z, z**2 + math.sin(z), "C0o")
    near = np.array([z - 0.8, z + 0.8])
    axes[2].plot(near, z**2 + math.sin(z) + slope * (near - z), "C2", label=f"slope {slope:.2f}")
    for ax in axes:
        ax.legend(loc="upper left" if ax is not axes[2] else "upper center", frameon=False)
        ax.set(yticks=[])
        ax.grid(False)
        ax.spines[["top", "left", "right"]].set_visible(False)
    axes[1].set_title(f"z = mu + sigma eps = {mu} + {sigma} × {eps:.0f} = {z}", fontsize=10)
    return png(figure)


def _still_beta(models, codes, images, labels):
    """Three of the runs: ellipses, and five reconstructions beneath; PNG bytes."""
    import matplotlib.pyplot as plt  # slow to import, so only when a figure is drawn
    from matplotlib.collections import EllipseCollection

    figure, axes = plt.subplots(
        2, 3, figsize=(7.2, 3.2), height_ratios=(5, 1), layout="constrained"
    )
    for column, k in zip(axes.T, (0, 3, 5), strict=True):
        sizes, where = 4 * codes[k, :, 2:].numpy(), codes[k, :, :2].numpy()
        style = dict(units="xy", edgecolors=[CLASS_COLOURS[c] for c in labels], facecolors="none")
        ellipses = EllipseCollection(*sizes.T, np.zeros(len(sizes)), offsets=where, **style)
        ellipses.set_offset_transform(column[0].transData)
        column[0].add_collection(ellipses)
        limits = (-_SIDE, _SIDE)
        column[0].set(title=f"beta = {_BETAS[k]:g}", xlim=limits, ylim=limits, aspect="equal")
        decoded = models[k].reconstruct(images[[1, 3, 5, 8, 9]], sample=False)
        mosaic = torch.cat(list(decoded[:, 0]), 1).numpy()
        column[1].imshow(mosaic, cmap="gray_r", vmin=0, vmax=1)
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
        ax.grid(False)
    return png(figure, dpi=72, colours=64)
