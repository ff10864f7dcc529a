"""Pictures that travel with the explorer: the still for where scripts are off, and thumbnails."""

import io
import math

import numpy as np
import torch

from .compare import decode_means
from .plotting import plot_latents, plot_manifold

# After Paul Tol's muted scheme, made for every common kind of colour vision; pale ones are darker
CLASS_COLOURS = (
    "#cc6677", "#332288", "#b8a038", "#117733", "#3d9ed1",
    "#882255", "#44aa99", "#808000", "#aa4499", "#707070",
)  # fmt: skip


def explorer_still(explorer, rows=11):
    """The maps of an explorer over its decoded planes: WebP bytes, and the text for `alt`."""
    import matplotlib.pyplot as plt  # slow to import, so only when a figure is drawn
    from matplotlib.colors import ListedColormap

    planes, side = explorer.planes, explorer.side
    line = torch.linspace(-side, side, 2 * rows + 1)[1::2]  # the middles of the images
    across, up = torch.meshgrid(line, line.flip(0), indexing="xy")
    grid = torch.stack([across, up], -1).reshape(-1, 2)
    style = {"figure.constrained_layout.use": True, "axes.titlelocation": "left"}
    with plt.rc_context(style):
        figure, axes = plt.subplots(2, len(planes), figsize=(3.4 * len(planes), 6.8), squeeze=False)
        for plane, (top, bottom) in zip(planes, axes.T, strict=True):
            plot_latents(plane.u, explorer.labels, explorer.names, ax=top, size=9)
            top.collections[0].set_cmap(ListedColormap(CLASS_COLOURS[: len(explorer.names)]))
            top.set(xlim=(-side, side), ylim=(-side, side), title=plane.name, xlabel="", ylabel="")
            decoded = decode_means(plane.model, grid * plane.sd + plane.mean)
            plot_manifold(decoded.clamp(0, 1), rows, (-side, side, -side, side), ax=bottom)
            bottom.images[0].set_cmap("gray_r")
            bottom.set(xlabel="", ylabel="")
    raw = io.BytesIO()
    figure.savefig(raw, dpi=72, facecolor="white")
    plt.close(figure)
    return webp(raw, 20), _alt(explorer)


def _alt(explorer):
    names = " and ".join(plane.name for plane in explorer.planes)
    holes = "; ".join(
        f"{plane.name}'s widest hole has no code within {plane.depth:.2f}"
        for plane in explorer.planes
    )
    return (
        f"The latent plane of {names}, in standard deviations of the codes: above, a map of the "
        f"codes of {len(explorer.labels)} images, coloured and named by class; beneath, the images "
        f"decoded on a grid over the same plane. {holes}."
    )


def sprite(images):
    """Thumbnails of images (N, C, H, W) in [0, 1], half the size: WebP bytes, and their layout."""
    from PIL import Image

    n, c, h, w = images.shape
    height, width = max(1, h // 2), max(1, w // 2)
    small = torch.nn.functional.interpolate(images, (height, width), mode="area")
    if c == 1:
        small = 1 - small  # ink on paper, as in the figures
    columns = math.ceil(math.sqrt(n))
    sheet = np.full((math.ceil(n / columns) * height, columns * width, c), 255, np.uint8)
    for i, tile in enumerate((255 * small).byte().permute(0, 2, 3, 1).numpy()):
        y, x = i // columns * height, i % columns * width
        sheet[y : y + height, x : x + width] = tile
    raw = io.BytesIO()
    Image.fromarray(sheet.squeeze(-1) if c == 1 else sheet).save(raw, "PNG")
    return webp(raw, 10), {"columns": columns, "width": width, "height": height}


def webp(raw, quality):
    """A picture in a buffer as small WebP bytes."""
    from PIL import Image

    small = io.BytesIO()
    Image.open(raw).convert("RGB").save(small, "WEBP", quality=quality, method=6)
    return small.getvalue()
