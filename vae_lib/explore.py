"""Interactive pieces that need no kernel: they work in the built page, from disk, and in Jupyter.

Each class returns HTML with its script inside; the page asks nothing of the network.
"""

import html
import json
from importlib.resources import files

from .objectives import effective_beta

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
        page = files(__package__).joinpath("assets", "beta_calculator.html").read_text("utf-8")
        for mark, text in (("PRESETS", options), ("ANSWER", answer), ("SETTINGS", settings)):
            page = page.replace(mark, text, 1)
        return page
