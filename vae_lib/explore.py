"""Interactive pieces that need no kernel: they work in the built page, from disk, and in Jupyter.

Each class returns HTML with its script inside; the page asks nothing of the network.
"""

import html
import json
import math
from importlib.resources import files

import torch

from .data import to_unit
from .objectives import effective_beta
from .pieces import data_uri, packed, page
from .plane import Plane, checked, medians_of, spread_rows
from .stills import explorer_still, sprite

# Settings of losses as found in public code; the last one is left to the reader.
_ELBO = dict(
    error="nll",
    reconstruction="sum",
    reconstruction_weight=1,
    pixels=784,
    kl="sum",
    kl_weight=1,
    latents=20,
    sigma=1,
)
_PRESETS = {
    "both terms averaged": _ELBO | dict(reconstruction="mean", kl="mean", latents=200),
    "mean cross-entropy times 500": _ELBO
    | dict(reconstruction="mean", reconstruction_weight=500, pixels=1024, latents=2),
    "mean squared error, KL times 0.00025": _ELBO
    | dict(error="squared", reconstruction="mean", pixels=12288, kl_weight=0.00025, latents=128),
    "mean squared error plus KL": _ELBO | dict(error="squared", reconstruction="mean"),
    "summed squared error plus KL": _ELBO | dict(error="squared"),
    "the ELBO: both terms summed": _ELBO,
    "your own loss": _ELBO,
}


class BetaCalculator:
    """A form that answers "what beta does my loss really use?"; the formula of `effective_beta`.

    Show it as the last line of a cell.  Where its script may not run (a notebook that is
    not trusted yet), it shows the answer to its first setting and how to go on.
    """

    def __repr__(self):
        return "a form: which beta does a written loss use?"

    def _repr_html_(self):
        first = next(iter(_PRESETS.values()))
        loss = {name: value for name, value in first.items() if name not in ("error", "sigma")}
        answer = (
            f"<strong>effective beta = {effective_beta(**loss):.4g}</strong><br>where both terms "
            f"are averaged, over {first['pixels']} pixels and {first['latents']} latents. "
            "To change the loss, run this cell: the form needs its script."
        )
        options = "".join(f"<option>{html.escape(name)}</option>" for name in _PRESETS)
        settings = json.dumps([dict(values=values) for values in _PRESETS.values()])
        form = files(__package__).joinpath("assets", "beta_calculator.html").read_text("utf-8")
        for mark, text in (("PRESETS", options), ("ANSWER", answer), ("SETTINGS", settings)):
            form = form.replace(mark, text, 1)
        return form


class LatentExplorer:
    """Drag in the latent plane and see the decoder's image, for one model or several side by side.

    models: {name: model with two latents}, or one model.  images (N, C, H, W) and labels (N,):
    the data whose codes make the maps; codes are f(x) of an autoencoder, mu of a VAE.  names: of
    the classes.  shown: pictures of the same images where they should differ from what is encoded
    (the grey originals of binary images).  walk: two classes, the ends of a path on offer; else
    the two that lie farthest apart.  n: how many images travel with the page, drawn evenly from
    the classes.

    A plane is measured in units of its own codes: u = (z - mean) / sd, axis by axis, so that one
    gesture means the same for every model.  Where the nearest code is farther off than it is for
    95 % of the images themselves, the handle stands in a hole.
    Raises ValueError for models without two latents or a decoder that `pieces.exported` cannot
    take, and for images, labels and names that do not match.
    """

    def __init__(self, models, images, labels, names=None, shown=None, walk=None, n=500):
        if isinstance(models, torch.nn.Module):
            models = {type(models).__name__: models}
        shown = images if shown is None else shown
        labels, names = checked(models, images, labels, names, shown)
        if walk is not None and not {*walk} <= {names[c] for c in labels.unique()}:
            raise ValueError(f"walk is two classes that occur in labels, got {walk}")
        rows = spread_rows(labels, n, torch.Generator().manual_seed(0))
        self.labels, self.names = labels[rows], names
        self.shown = to_unit(shown[rows]).cpu()
        self.planes = [Plane(name, model, images[rows]) for name, model in models.items()]
        # one code in two hundred may lie beyond the edge of its map
        farthest = max(plane.u.abs().amax(1).quantile(0.995).item() for plane in self.planes)
        self.side = math.ceil(2 * farthest) / 2
        self.walk = self._ends(walk)

    def __repr__(self):
        names = " and ".join(plane.name for plane in self.planes)
        return f"an interactive map of the latent plane of {names}, {len(self.labels)} images"

    def _repr_html_(self):
        picture, tiles = sprite(self.shown)
        data = {
            "side": self.side,
            "names": self.names,
            "labels": packed(self.labels, "u8"),
            "tiles": {"sprite": data_uri(picture), **tiles},
            "walk": self.walk,
            "planes": [plane.data() for plane in self.planes],
        }
        return page("explorer", data, *explorer_still(self))

    def _ends(self, walk):
        """Two images, each of them typical of its class for every model."""
        medians = [medians_of(plane.u, self.labels) for plane in self.planes]
        classes = self.labels.unique().tolist()
        if walk is None:
            gaps = sum(torch.cdist(m, m) for m in medians)
            walk = [self.names[classes[k]] for k in divmod(int(gaps.argmax()), len(classes))]
        rows = []
        for c in map(self.names.index, walk):
            k = classes.index(c)
            off = sum((p.u - m[k]).norm(dim=1) for p, m in zip(self.planes, medians, strict=True))
            rows.append(int(torch.where(self.labels == c, off, torch.inf).argmin()))
        return rows
