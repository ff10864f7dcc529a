"""Figures in one style.  Functions take arrays and return Axes; none trains or samples."""

import matplotlib
import numpy as np

# Okabe & Ito's palette: told apart with every common kind of colour vision
COLORS = {
    "blue": "#0072B2", "orange": "#E69F00", "green": "#009E73", "red": "#D55E00",
    "purple": "#CC79A7", "sky": "#56B4E9", "yellow": "#F0E442", "black": "#222222",
}  # fmt: skip


def use_style():
    """Set matplotlib's defaults to the look of the book."""
    matplotlib.rcParams.update(
        {
            "axes.prop_cycle": matplotlib.cycler(color=list(COLORS.values())),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.titlesize": 11,
            "axes.titlelocation": "left",
            "figure.figsize": (6.4, 3.4),
            "figure.dpi": 110,
            "figure.constrained_layout.use": True,
            "font.size": 10,
            "grid.alpha": 0.25,
            "image.cmap": "gray_r",
            "legend.frameon": False,
            "savefig.facecolor": "white",
        }
    )


def show_grid(images, n_columns=10, row_labels=None, title=None, ax=None):
    """Images (N, 1 or 3, H, W) in [0, 1] as one mosaic, row by row; returns its Axes."""
    images = _array(images)
    n, c, h, w = images.shape
    n_rows = -(-n // n_columns)
    blank = np.zeros((n_rows * n_columns - n, c, h, w), images.dtype)
    mosaic = np.concatenate([images, blank]).reshape(n_rows, n_columns, c, h, w)
    mosaic = mosaic.transpose(0, 3, 1, 4, 2).reshape(n_rows * h, n_columns * w, c)
    if ax is None:
        size = (0.62 * n_columns + (1.2 if row_labels else 0.1), 0.62 * n_rows + 0.3 * bool(title))
        ax = _new_axes(size)
    ax.imshow(mosaic.squeeze(-1) if c == 1 else mosaic, vmin=0, vmax=1, interpolation="nearest")
    ax.set(xticks=[], yticks=[], title=title or "")
    ax.grid(False)
    ax.spines[:].set_visible(False)
    if row_labels:
        ax.set_yticks([h * (i + 0.5) for i in range(n_rows)], row_labels)
        ax.tick_params(length=0)
    return ax


def plot_history(history, name="value", ax=None, sign=1, label=None, **line):
    """One column of a History against the epoch, in nats per image; returns the Axes."""
    ax = ax or _new_axes()
    epochs = np.array(history["epoch"]) + 1
    ax.plot(epochs, sign * np.array(history[name]), marker=".", label=label or name, **line)
    ax.set(xlabel="epoch", ylabel="nats per image")
    return ax


def plot_latents(z, labels, names=None, ax=None, size=6):
    """Codes (N, 2) coloured by class, each class also named near its median; returns the Axes."""
    z, labels = _array(z), _array(labels)
    ax = ax or _new_axes((4.6, 4.2))
    ax.scatter(*z.T, c=labels, cmap="tab10", s=size, alpha=0.7, linewidths=0)
    classes = np.unique(labels)
    medians = np.stack([np.median(z[labels == c], 0) for c in classes])
    span = np.ptp(z, 0).max()
    box = dict(boxstyle="round,pad=0.15", fc="white", ec="none", alpha=0.8)
    for c, place in zip(classes, _apart(medians, 0.2 * span, 0.05 * span), strict=True):
        ax.annotate(names[c] if names else str(c), place, ha="center", fontsize=8, bbox=box)
    ax.set(xlabel="$z_1$", ylabel="$z_2$", aspect="equal")
    return ax


def plot_manifold(images, n_rows, extent=None, ax=None):
    """Images decoded on a grid of a 2-D latent plane, row 0 at the top; returns the Axes.

    extent: (left, right, bottom, top) of the latent plane, for the axes.
    """
    n_columns = len(images) // n_rows
    ax = show_grid(images, n_columns, ax=ax)
    if extent is not None:
        h, w = images.shape[-2:]
        # the grid's points are the centres of the images
        across, down = np.linspace(0.5, n_columns - 0.5, 3), np.linspace(0.5, n_rows - 0.5, 3)
        ax.set_xticks(w * across, [f"{v:.1f}" for v in np.linspace(*extent[:2], 3)])
        ax.set_yticks(h * down, [f"{v:.1f}" for v in np.linspace(*extent[:1:-1], 3)])
        ax.set(xlabel="$z_1$", ylabel="$z_2$")
    return ax


def _apart(points, width, height):
    """Positions of labels, moved up where one of this width and height would cover another."""
    points = points.copy()
    order = np.argsort(points[:, 1])
    for k, i in enumerate(order):
        for j in order[:k]:
            across, up = np.abs(points[i] - points[j])
            if across < width and up < height:
                points[i, 1] = points[j, 1] + height
    return points


def _new_axes(figsize=None):
    import matplotlib.pyplot as plt  # slow to import, so only when a figure is drawn

    return plt.subplots(figsize=figsize)[1]


def _array(x):
    return x.detach().cpu().numpy() if hasattr(x, "detach") else np.asarray(x)
