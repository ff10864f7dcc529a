"""Sliders for one's own model: what they decode, and what a stored notebook keeps of them."""

import base64
import io
import sys

import nbformat
import numpy as np
import pytest
import torch
from nbclient import NotebookClient
from PIL import Image

import vae_lib as vl
from vae_lib.steering import steer

WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(scope="module")
def images():
    return vl.load_fashion_mnist("test").images[:300]


def pixels(png):
    return 1 - np.asarray(Image.open(io.BytesIO(png)), np.float32) / 255


@pytest.mark.parametrize("name", ("vae_j20", "cae_j2"))
def test_a_slider_moves_its_latent(images, name):
    model, _ = vl.load_run(name)
    controls = steer(model, images)
    codes = vl.codes_of(model, images).point
    assert len(controls.sliders) == min(6, codes.shape[1])
    torch.testing.assert_close(controls.z, codes.mean(0))
    before = controls.image.value
    for slider, j in zip(controls.sliders, controls.latents, strict=True):
        slider.value = -1.5
        moved = (controls.z - codes.mean(0)) / codes.std(0, correction=0)
        assert moved[j].item() == pytest.approx(-1.5, abs=1e-3)
        assert controls.image.value != before
        with torch.no_grad():
            expected = torch.sigmoid(model.decode(controls.z[None]))[0, 0].numpy()
        shown = pixels(controls.image.value)[4::8, 4::8]
        np.testing.assert_allclose(shown, expected, atol=1 / 255)
        before = controls.image.value
    controls.box.children[0].children[-1].click()  # reset
    torch.testing.assert_close(controls.z, codes.mean(0))


def test_the_latents_that_vary_most_are_taken(images):
    model, _ = vl.load_run("vae_j20")
    sd = vl.codes_of(model, images).point.std(0)
    controls = steer(model, images, sliders=3)
    assert sorted(sd.argsort(descending=True)[:3].tolist()) == controls.latents
    labels = [slider.description for slider in controls.sliders]
    assert labels == [f"latent {j + 1}" for j in controls.latents]


def test_without_images_a_vae_is_steered_under_its_prior():
    controls = steer(vl.make_model("vae", "mlp", 9), sliders=4)
    controls.sliders[2].value = 2.0
    assert controls.z.tolist() == [0, 0, 2, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("shape", ((1, 5, 3), (3, 4, 4)))
def test_any_image(shape):
    controls = steer(vl.make_model("vae", "mlp", 2, image_shape=shape), span=1)
    shown = np.asarray(Image.open(io.BytesIO(controls.image.value)))
    channels, height, width = shape
    assert shown.shape == (8 * height, 8 * width, 3)[: 3 if channels == 3 else 2]
    assert pixels(controls.still()).shape[:2] == (2 * 2 * height, 2 * 9 * width)


def test_still_moves_one_latent_a_row():
    model = vl.make_model("vae", "mlp", 3, (1, 6, 6))
    still = pixels(steer(model).still())[::2, ::2].reshape(3, 6, 9, 6).swapaxes(1, 2)
    z = torch.zeros(3, 9, 3)
    for j in range(3):
        z[j, :, j] = torch.linspace(-3, 3, 9)
    with torch.no_grad():
        expected = torch.sigmoid(model.decode(z.flatten(0, 1))).reshape(3, 9, 6, 6)
    np.testing.assert_allclose(still, expected, atol=1 / 255)


def test_an_autoencoder_without_images_is_refused():
    with pytest.raises(ValueError, match="no prior: give images"):
        steer(vl.make_model("autoencoder", "mlp", 2))


def test_without_ipywidgets_it_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(ImportError, match="pip install ipywidgets"):
        steer(vl.make_model("vae", "mlp", 2))


def test_vae_lib_does_not_import_ipywidgets():
    import subprocess

    code = "import sys, vae_lib; assert 'ipywidgets' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


SOURCE = """import torch
import vae_lib as vl
from vae_lib.steering import steer
_ = torch.manual_seed(0)
controls = steer(vl.make_model("vae", "mlp", 2))
controls"""


def test_a_live_kernel_shows_controls_and_a_stored_notebook_a_picture():
    """The output is one bundle: without its widget view the picture and the words remain."""
    cells = [nbformat.v4.new_code_cell(SOURCE), nbformat.v4.new_code_cell("controls.still()")]
    nb = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(nb, kernel_name="python3", timeout=120).execute()
    (output,) = nb.cells[0].outputs
    assert set(output.data) == {WIDGET, "image/png", "text/plain"}
    assert output.data["text/plain"] == "sliders for 2 latents (live only with a kernel)"
    kept = base64.b64decode(output.data["image/png"])
    assert repr(kept) == nb.cells[1].outputs[0].data["text/plain"]
    assert kept.startswith(b"\x89PNG")
