"""Plots: what is drawn is what was given, on the Axes that were given."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from vae_lib import History, plot_history, plot_latents, plot_manifold, plotting, show_grid


@pytest.fixture(autouse=True)
def closed_figures(monkeypatch):
    """Functions return Axes and leave showing to the reader."""
    monkeypatch.setattr(plt, "show", lambda *a, **k: pytest.fail("plt.show was called"))
    yield
    plt.close("all")


def drawn(ax):
    return np.asarray(ax.images[0].get_array())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", [torch.tensor, np.asarray])
def test_grid_places_every_image(channels, kind):
    """Image i is at row i // columns, column i % columns; what is left over is blank."""
    images = np.random.default_rng(0).random((5, channels, 4, 6))
    mosaic = drawn(show_grid(kind(images), n_columns=3))
    assert mosaic.shape == (8, 18) if channels == 1 else (8, 18, 3)
    for i, image in enumerate(images):
        r, c = divmod(i, 3)
        tile = mosaic[4 * r : 4 * r + 4, 6 * c : 6 * c + 6]
        np.testing.assert_array_equal(tile, image[0] if channels == 1 else image.transpose(1, 2, 0))
    assert (mosaic[4:, 12:] == 0).all()


def test_grid_has_one_scale():
    """0 and 1 are the ends of the colour scale, whatever the images hold."""
    ax = show_grid(torch.full((2, 1, 4, 4), 0.25), n_columns=2, row_labels=["data"], title="two")
    assert ax.images[0].get_clim() == (0, 1)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["data"] and ax.get_title() == "two"


def test_grid_takes_a_tensor_with_gradients_and_an_axes():
    ax = plt.subplots()[1]
    assert show_grid(torch.rand(1, 1, 4, 4, requires_grad=True), ax=ax) is ax
    assert len(plt.get_fignums()) == 1


def test_history():
    """Epochs count from 1; sign=-1 shows a loss; the axis says nats."""
    history = History([dict(epoch=e, value=-300.0 + e) for e in range(3)])
    ax = plot_history(history)
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), [[1, -300], [2, -299], [3, -298]])
    assert plot_history(history, sign=-1, ax=ax, label="loss") is ax
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), [300, 299, 298])
    assert "nats" in ax.get_ylabel() and ax.lines[1].get_label() == "loss"


def test_latents():
    """Every code is a point; every class is named at its median."""
    z = torch.tensor([[0.0, 0.0], [2.0, 0.0], [4.0, 3.0], [5.0, 5.0]])
    ax = plot_latents(z, torch.tensor([0, 0, 0, 1]), names=["shoe", "bag"])
    np.testing.assert_array_equal(ax.collections[0].get_offsets(), z)
    assert [(t.get_text(), *t.xy) for t in ax.texts] == [("shoe", 2, 0), ("bag", 5, 5)]
    assert [t.get_text() for t in plot_latents(z, torch.tensor([0, 0, 1, 1])).texts] == ["0", "1"]


def test_manifold():
    """The first row is at the top, and there the axis reads the largest z2."""
    images = torch.zeros(6, 1, 4, 4)
    images[:3] = 1
    ax = plot_manifold(images, n_rows=2, extent=(-3, 3, -2, 2))
    assert (drawn(ax)[:4] == 1).all() and (drawn(ax)[4:] == 0).all()
    ticks = dict(zip(ax.get_yticks(), (t.get_text() for t in ax.get_yticklabels()), strict=True))
    assert float(ticks[min(ticks)]) == 2 and float(ticks[max(ticks)]) == -2
    assert [float(t.get_text()) for t in ax.get_xticklabels()] == [-3, 0, 3]


def test_style():
    with plt.rc_context():
        plotting.use_style()
        cycle = plt.rcParams["axes.prop_cycle"].by_key()["color"]
        assert cycle == list(plotting.COLORS.values()) and len(set(cycle)) == len(cycle)
