"""What a piece travels with: numbers, decoders and its page, read back in a headless browser."""

import base64
import io
import json
import re
from importlib.resources import files

import matplotlib.pyplot as plt
import numpy as np
import pytest
import site_tools as site
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from vae_lib import load_run, make_model
from vae_lib.pieces import data_uri, exported, packed, page, png

CORE = files("vae_lib").joinpath("assets", "explorer_core.js").read_text("utf-8")
READ = "packed => packed.map(p => Array.from(VaeBook.numbers(p)))"
DECODE = """([spec, codes]) => {
  const decode = VaeBook.decoder(spec);
  return { shape: decode.shape, images: codes.map(z => Array.from(decode(z))) };
}"""


@pytest.fixture(scope="module")
def core(browser):
    """A page that has the core and nothing else."""
    context = browser.new_context()
    page = context.new_page()
    page.evaluate(CORE)
    yield page
    context.close()


class Decoded(nn.Module):
    """As much of a model as `exported` looks at."""

    def __init__(self, decoder, likelihood="bernoulli"):
        super().__init__()
        full = make_model("vae", "mlp", 2, likelihood=likelihood)
        self.decoder, self.likelihood = decoder, full.likelihood


def decoder_of(*layers, latent_dim):
    net = nn.Sequential(*layers)
    net.latent_dim = latent_dim
    return Decoded(net)


def worst(core, model, z):
    """The largest difference of a pixel between the browser and PyTorch."""
    with torch.no_grad():
        expected = model.likelihood.mean(model.decoder(z))
    found = core.evaluate(DECODE, [exported(model), z.tolist()])
    assert found["shape"] == list(expected.shape[1:])
    return (torch.tensor(found["images"]) - expected.flatten(1)).abs().max().item()


KINDS = {"u8": (0, 255), "i12": (-2047, 2047)}


@settings(max_examples=25, deadline=None)
@given(kind=st.sampled_from(sorted(KINDS)), n=st.integers(1, 9), seed=st.integers(0, 99))
def test_whole_numbers_arrive_exactly(core, kind, n, seed):
    low, high = KINDS[kind]
    values = np.random.default_rng(seed).integers(low, high, n, endpoint=True)
    values[0] = (low, high)[seed % 2]
    assert core.evaluate(READ, [packed(values, kind)])[0] == values.tolist()


def test_real_numbers_arrive_exactly(core):
    half = np.float16([0, -0.0, 1, -2.5, 6.1e-5, 5.96e-8, -3e-6, 65504, 0.1])
    single = np.float32([0, 1e-30, -3.4e38, 0.1, torch.pi])
    found = core.evaluate(READ, [packed(half, "f16"), packed(single, "f32")])
    assert found == [half.tolist(), single.tolist()]


@pytest.mark.parametrize(
    "value, kind",
    [
        *[(256, "u8"), (-1, "u8"), (0.5, "u8"), (70_000, "i12")],
        *[(2048, "i12"), (-2048, "i12"), (1e6, "f16"), (float("nan"), "f32")],
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_numbers_that_do_not_fit_are_refused(value, kind):
    with pytest.raises(ValueError, match=f"do not fit {kind}"):
        packed([value], kind)


# kernel, stride, padding, output_padding, bias: beside what the book uses, odd ones
ODD = {
    "book": (4, 2, 1, 0, True),
    "no bias": (4, 2, 1, 0, False),
    "oblong": ((3, 5), (1, 2), (0, 2), 0, True),
    "gaps": (2, 3, 0, 0, True),
    "overhang": (3, 2, 1, 1, True),
    "one pixel": (1, 1, 0, 0, True),
    "more padding than kernel steps": (5, 1, 3, 0, True),
}


@pytest.mark.parametrize("case", ODD)
@pytest.mark.parametrize("channels", (1, 3))
def test_odd_convolutions(core, case, channels):
    kernel, stride, padding, over, bias = ODD[case]
    places = dict(stride=stride, padding=padding, output_padding=over, bias=bias)
    model = decoder_of(
        nn.Linear(3, 2 * 5 * 4, bias=bias),
        nn.ReLU(),
        nn.Unflatten(1, (2, 5, 4)),
        nn.ConvTranspose2d(2, channels, kernel, **places),
        latent_dim=3,
    )
    assert worst(core, model, 3 * torch.randn(8, 3)) < 2e-3


@settings(max_examples=15, deadline=None)
@given(
    latent_dim=st.integers(1, 7),
    hidden=st.lists(st.integers(1, 30), max_size=3),
    shape=st.tuples(st.sampled_from((1, 3)), st.integers(1, 9), st.integers(1, 9)),
)
def test_mlp_decoders_of_any_shape(core, latent_dim, hidden, shape):
    model = make_model("vae", "mlp", latent_dim, image_shape=shape, hidden=hidden)
    assert worst(core, model, 3 * torch.randn(4, latent_dim)) < 2e-3


@pytest.mark.parametrize("name", ("vae_j2", "cae_j2", "vae_j20"))
def test_stored_convolutional_decoders(core, name):
    """The bar is 1e-2 a pixel; at latents far out, where the codes of a CAE lie."""
    model, entry = load_run(name)
    scale = torch.tensor([4.5, 6.8]) if name == "cae_j2" else 2.0
    assert worst(core, model, scale * torch.randn(60, entry["model"]["latent_dim"])) < 5e-3


def test_a_gaussian_decoder_shows_its_means(core):
    model = make_model("vae", "mlp", 2, likelihood="gaussian")
    assert worst(core, model, torch.randn(8, 2)) < 2e-3


def test_export_does_not_hang_on_the_default_type(core):
    model = make_model("vae", "conv", 2)
    torch.set_default_dtype(torch.float64)
    try:
        spec = exported(model)
    finally:
        torch.set_default_dtype(torch.float32)
    assert spec == exported(model)


class Doubled(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


FLAT, IMAGE = nn.Linear(2, 16), nn.Unflatten(1, (1, 4, 4))
REFUSED = {
    "a layer it does not know": ([FLAT, nn.Tanh(), IMAGE], "Tanh cannot be exported"),
    "a subclass with its own ways": ([Doubled(2, 16), IMAGE], "Doubled cannot be exported"),
    "no image": ([FLAT], r"ends in \(B, 1 or 3, H, W\)"),
    "two channels": ([FLAT, nn.Unflatten(1, (2, 2, 4))], r"ends in \(B, 1 or 3, H, W\)"),
    "dilation": ([FLAT, IMAGE, nn.ConvTranspose2d(1, 1, 2, dilation=2)], "dilation must be 1"),
    "groups": (
        [FLAT, nn.Unflatten(1, (4, 2, 2)), nn.ConvTranspose2d(4, 4, 2, groups=4)],
        "groups and dilation must be 1",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_exported_is_named(case):
    layers, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        exported(decoder_of(*layers, latent_dim=2))


def test_a_likelihood_the_page_does_not_know():
    model = make_model("vae", "mlp", 2, likelihood="discretized_logistic")
    with pytest.raises(ValueError, match=r"the likelihood is one of .* got DiscretizedLogistic"):
        exported(model)


# ---- the page ----


def picture():
    return png(plt.figure(figsize=(1, 1)))


def test_page_escapes_what_it_is_given():
    body = page("none", {"text": "</script><b>"}, picture(), 'a "quoted" <alt>')
    assert body.count("</script>") == 2 and "<b>" not in body
    assert 'alt="a &quot;quoted&quot; &lt;alt&gt;"' in body
    data = re.search(r'application/json">(.*?)</script>', body)[1]
    assert json.loads(data) == {"text": "</script><b>"}


def test_a_script_that_fails_leaves_the_picture(browser):
    body = page("faulty", {}, picture(), "what is seen")
    start = 'VaeBook.start("faulty", box => { box.append("half a piece"); throw new Error("no"); })'
    context = browser.new_context()
    tab = context.new_page()
    watch = site.Watch(tab)
    tab.set_content(f"{body}<script>{start}</script>")
    assert tab.get_by_alt_text("what is seen").is_visible()
    assert "half" not in tab.locator(".vb-piece").inner_text()
    assert watch.errors and all("no" in error for error in watch.errors)
    context.close()


def test_core_is_defined_once(core):
    core.evaluate("() => { window.first = VaeBook; }")
    core.evaluate(CORE)
    assert core.evaluate("() => VaeBook === window.first")


def test_colours_are_the_readers(core):
    core.emulate_media(color_scheme="light")
    core.set_content(page("none", {}, picture(), "x"))
    core.evaluate(CORE)
    ask = "() => VaeBook.colours(document.querySelector('.vb-piece'))"
    light = core.evaluate(ask)
    core.emulate_media(color_scheme="dark")
    dark = core.evaluate(ask)
    assert not light["dark"] and dark["dark"]
    assert set(light) == set(dark) and "" not in light.values()
    assert light["ink"] != dark["ink"] and light["blue"] != dark["blue"]
    core.evaluate("() => document.documentElement.style.setProperty('--vb-paper', 'white')")
    assert not core.evaluate(ask)["dark"]  # the book's own colours come first


def test_pictures_become_addresses():
    raw = io.BytesIO()
    Image.new("L", (3, 2)).save(raw, "WEBP")
    for data, kind in ((picture(), "png"), (raw.getvalue(), "webp")):
        address = data_uri(data)
        assert address.startswith(f"data:image/{kind};base64,")
        assert base64.b64decode(address.split(",")[1]) == data
