"""How an interactive piece becomes one piece of HTML: style, core, script, data, still picture.

Whatever a piece needs travels with it, so that it works in the built page, from disk, in
JupyterLab and in Colab, without a kernel and without a request.  The core's calls are described
at the top of assets/explorer_core.js.
"""

import base64
import html
import io
import json
import re
from importlib.resources import files

import numpy as np
import torch
from torch import nn

_TYPES = {"u8": "<u1", "i12": "<i2", "f16": "<f2", "f32": "<f4"}
_NOTE = "A still picture: to use the piece itself, run this cell or allow scripts."
_MEANS = {"Bernoulli": "sigmoid", "Gaussian": "identity"}


def page(name, data, picture, alt):
    """The HTML of the piece `name`: assets/NAME.js and NAME.css over the core, with its data.

    data: plain JSON, given to the script.  picture: PNG, WebP or JPEG bytes, shown with the text
    `alt` until the script takes over, and where scripts are off.
    """
    assets = files(__package__).joinpath("assets")

    def asset(file):
        path = assets.joinpath(file)
        text = path.read_text("utf-8") if path.is_file() else ""
        text = re.sub(r"\A/\*.*?\*/\n", "", text, flags=re.DOTALL)  # what the file says of itself
        return re.sub(r"(?m)^\s+", "", text)

    style = asset("explorer_core.css") + asset(f"{name}.css")
    still = f'<img src="{data_uri(picture)}" alt="{html.escape(alt)}"><p>{_NOTE}</p>'
    content = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    return (
        f'<div class="vb-piece" data-piece="{name}">\n<style>\n{style}</style>\n'
        f'<div class="vb-still">{still}</div>\n'
        f'<script type="application/json">{content}</script>\n</div>\n'
        f"<script>\n{asset('explorer_core.js')}{asset(f'{name}.js')}</script>"
    )


def packed(array, kind):
    """An array for `VaeBook.numbers`: {"type", "data"}, little-endian, base64.

    kind: u8, i12, f16 or f32; i12 takes two characters a number.
    Raises ValueError where a value does not fit the kind.
    """
    array = np.asarray(array)
    stored = array.astype(_TYPES[kind])
    unfit = kind[0] != "f" and (stored != array).any()
    if unfit or not np.isfinite(stored).all() or (kind == "i12" and np.abs(array).max() > 2047):
        raise ValueError(f"the values do not fit {kind}: {array.min()} to {array.max()}")
    raw = _twelve_bits(stored.ravel()) if kind == "i12" else stored
    return {"type": kind, "data": base64.b64encode(raw.tobytes()).decode()}


def _twelve_bits(whole):
    """Whole numbers in -2047..2047 as bytes, two in three; 2048 stands for zero."""
    bits = np.unpackbits((whole + 2048).astype(">u2").view(np.uint8)).reshape(-1, 16)
    return np.packbits(bits[:, 4:])


def data_uri(picture):
    """PNG, WebP or JPEG bytes as an address that needs no request."""
    kinds = {b"\x89PNG": "png", b"RIFF": "webp", b"\xff\xd8\xff\xe0": "jpeg"}
    return f"data:image/{kinds[picture[:4]]};base64,{base64.b64encode(picture).decode()}"


def png(figure, dpi=80, colours=32):
    """A matplotlib figure as a small PNG with a palette; closes the figure."""
    import matplotlib.pyplot as plt  # slow to import, so only when a figure is drawn
    from PIL import Image

    raw, small = io.BytesIO(), io.BytesIO()
    figure.savefig(raw, dpi=dpi, facecolor="white")
    plt.close(figure)
    picture = Image.open(raw).convert("RGB").quantize(colours, dither=Image.Dither.NONE)
    picture.save(small, "PNG", optimize=True)
    return small.getvalue()


def exported(model):
    """A model's decoder for `VaeBook.decoder`, as plain JSON.

    Knows Linear, ReLU, Unflatten and ConvTranspose2d, alone or in Sequential, and Bernoulli and
    Gaussian likelihoods.  Weights have 12 bits, with a scale for each output channel: with 8, a
    pixel of the book's models is up to 0.035 off, with 12 up to 0.002.  The first layer, which
    meets latents of any size, and all biases stay in float32.  Raises ValueError on anything else.
    """
    likelihood = type(model.likelihood).__name__
    if likelihood not in _MEANS:
        raise ValueError(f"the likelihood is one of {list(_MEANS)} here, got {likelihood}")
    decoder = model.decoder
    x = next(decoder.parameters()).new_zeros(1, decoder.latent_dim)
    layers = []
    with torch.no_grad():
        for layer in _flat(getattr(decoder, "net", decoder)):
            y = layer(x)
            layers += _exported_layer(layer, x.shape[1:], y.shape[1:], exact=not layers)
            x = y
    if x.dim() != 4 or x.shape[1] not in (1, 3):
        raise ValueError(f"a decoder of images ends in (B, 1 or 3, H, W), this one in {x.shape}")
    return {"mean": _MEANS[likelihood], "shape": list(x.shape[1:]), "layers": layers}


def _flat(module):
    """The layers of nested Sequentials, in order."""
    if isinstance(module, nn.Sequential):
        for child in module:
            yield from _flat(child)
    elif type(module) in (nn.Linear, nn.ReLU, nn.Unflatten, nn.ConvTranspose2d):
        yield module
    else:
        raise ValueError(
            f"{type(module).__name__} cannot be exported; a decoder for the page is made of "
            "Linear, ReLU, Unflatten and ConvTranspose2d, in `decoder.net` or in Sequential"
        )


def _exported_layer(layer, came, goes, exact):
    """One layer as a list of none or one entries; came, goes: shapes without the batch."""
    if isinstance(layer, nn.ReLU):
        return [{"kind": "relu"}]
    if isinstance(layer, nn.Unflatten):
        return []
    if isinstance(layer, nn.Linear):
        return [{"kind": "linear", **_weights(layer, 0, exact)}]
    if layer.groups != 1 or layer.dilation != (1, 1):
        raise ValueError(f"groups and dilation must be 1 to be exported, got {layer}")
    places = {name: list(getattr(layer, name)) for name in ("stride", "padding")}
    shapes = {"from": list(came), "to": list(goes), "kernel": list(layer.kernel_size)}
    return [{"kind": "convTranspose", **shapes, **places, **_weights(layer, 1, exact)}]


def _weights(layer, channel, exact):
    """Weights and bias of a layer; channel: the axis of the weights that is its output."""
    w = layer.weight.detach().float().cpu()
    bias = torch.zeros(w.shape[channel]) if layer.bias is None else layer.bias.detach()
    result = {"bias": packed(bias.float().cpu(), "f32")}
    if exact:
        return result | {"weight": packed(w, "f32")}
    others = [axis for axis in range(w.dim()) if axis != channel]
    scale = (w.abs().amax(others, keepdim=True) / 2047).clamp(min=1e-12)
    whole = packed((w / scale).round(), "i12")
    inner = w[0].numel() if channel == 0 else w[0, 0].numel()
    return result | {"weight": whole, "scale": packed(scale.flatten(), "f32"), "inner": inner}
