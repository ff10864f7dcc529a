"""Controls for the reader's own trained model, where a kernel runs."""

import base64
import io

import torch

from .compare import codes_of, decode_means
from .models import VAE

_WIDGET = "application/vnd.jupyter.widget-view+json"  # of ipywidgets 7 and 8 alike
_COLUMNS = 9  # of the still picture


def steer(model, images=None, sliders=6, span=3.0):
    """Sliders for the latents of a trained model and the image it decodes: show it last in a cell.

    images (N, C, H, W): their codes give the centre and the reach of each slider, mean and
    standard deviation, and the `sliders` latents that vary most are taken.  Without images a VAE
    is steered under its prior N(0, I), the first latents taken.  span: reach in standard
    deviations.  Any device; decoding runs where the model is.

    The output also holds a still picture, each latent moved through its span alone: it is what
    remains in a stored notebook.  Needs ipywidgets and a live kernel.
    Raises ImportError without ipywidgets, ValueError for an autoencoder without images.
    """
    try:
        import ipywidgets
    except ImportError as error:
        raise ImportError("steer needs ipywidgets: `pip install ipywidgets`") from error
    if images is None and not isinstance(model, VAE):
        raise ValueError("an autoencoder has no prior: give images, whose codes set the sliders")
    n = model.decoder.latent_dim
    if images is None:
        centre, sd = torch.zeros(n), torch.ones(n)
    else:
        codes = codes_of(model, images).point
        centre, sd = codes.mean(0), codes.std(0, correction=0)
    latents = sorted(sd.argsort(descending=True, stable=True)[:sliders].tolist())
    return Steering(ipywidgets, model, centre, sd, latents, span)


class Steering:
    """What `steer` returns: `sliders` and `image` are ipywidgets, `z` (J,) is the code shown."""

    def __init__(self, widgets, model, centre, sd, latents, span):
        self.model, self.centre, self.sd, self.latents, self.span = model, centre, sd, latents, span
        self.sliders = [self._slider(widgets, j) for j in latents]
        self.image = widgets.Image(format="png", width=224, value=self._decoded())
        reset = widgets.Button(description="reset")
        reset.on_click(lambda _: [s.set_trait("value", 0.0) for s in self.sliders])
        for slider in self.sliders:
            slider.observe(self._update, "value")
        self.box = widgets.HBox([widgets.VBox([*self.sliders, reset]), self.image])

    def _slider(self, widgets, j):
        # all reach equally far: a latent's step is one of its standard deviations
        return widgets.FloatSlider(
            value=0.0, min=-self.span, max=self.span, step=0.05, description=f"latent {j + 1}"
        )

    @property
    def z(self):
        """The code shown: the centre, moved by each slider in standard deviations of its latent."""
        z = self.centre.clone()
        for j, slider in zip(self.latents, self.sliders, strict=True):
            z[j] += slider.value * self.sd[j]
        return z

    def _update(self, _change):
        self.image.value = self._decoded()

    def _decoded(self):
        return _png(decode_means(self.model, self.z[None]), columns=1, scale=8)

    def still(self):
        """PNG bytes: a row for each slider, from one end of it to the other."""
        z = self.centre.repeat(len(self.latents), _COLUMNS, 1)
        for row, j in enumerate(self.latents):
            z[row, :, j] += torch.linspace(-self.span, self.span, _COLUMNS) * self.sd[j]
        return _png(decode_means(self.model, z.flatten(0, 1)), _COLUMNS, scale=2)

    def __repr__(self):
        return f"sliders for {len(self.sliders)} latents (live only with a kernel)"

    def _repr_mimebundle_(self, **kwargs):
        view = {"version_major": 2, "version_minor": 0, "model_id": self.box.model_id}
        picture = base64.b64encode(self.still()).decode()
        return {_WIDGET: view, "image/png": picture, "text/plain": repr(self)}


def _png(images, columns, scale):
    """Images (N, C, H, W) in rows, each pixel `scale` wide, as PNG bytes; one channel as ink."""
    from PIL import Image

    n, c, h, w = images.shape
    images = images.clamp(0, 1)
    levels = (255 * (1 - images if c == 1 else images)).round().byte()
    sheet = levels.reshape(n // columns, columns, c, h, w).permute(0, 3, 1, 4, 2)
    sheet = sheet.reshape(n // columns * h, columns * w, c).numpy()
    picture = Image.fromarray(sheet.squeeze(-1) if c == 1 else sheet)
    raw = io.BytesIO()
    picture.resize((scale * picture.width, scale * picture.height), Image.Resampling.NEAREST).save(
        raw, "PNG", optimize=True
    )
    return raw.getvalue()
