"""The interactive pieces in a headless browser: the page computes what Python computes."""

import json
import math
import random
import re
from pathlib import Path

import numpy as np
import pytest
import site_tools as site
import torch

import vae_lib as vl
from vae_lib import BetaCalculator, effective_beta, implied_sigma
from vae_lib.explore import LatentExplorer

COUNTS, WEIGHTS = (1, 20, 784, 12_288), (1, 0.5, 500, 0.00025)


@pytest.fixture
def open_page(browser, tmp_path):
    """open_page(body) shows a bare page from the disk; scripts=False switches scripts off.

    Other options are the browser context's; page.watch records requests and errors.
    """
    contexts = []
    head = "<!doctype html><html lang='en'><meta charset='utf-8'><title>piece</title>"

    def show(body, scripts=True, **options):
        file = tmp_path / "page.html"
        file.write_text(f"{head}<main><h1>piece</h1>{body}</main>", encoding="utf-8")
        contexts.append(browser.new_context(java_script_enabled=scripts, **options))
        page = contexts[-1].new_page()
        page.watch = site.Watch(page)
        page.goto(file.as_uri())
        return page

    yield show
    for context in contexts:
        context.close()


def answered(page):
    """The beta on the page, and the sigma or None."""
    text = page.locator(".vb-beta output").first.inner_text().replace(",", "")
    beta = re.search(r"effective beta = ([\d.e+-]+)", text)
    sigma = re.search(r"with s = ([\d.e+-]+\d)", text)
    return float(beta[1]), float(sigma[1]) if sigma else None


def enter(page, values):
    """Set fields of the first form as a reader would, all in one call."""
    page.evaluate(
        """values => {
          const form = document.querySelector(".vb-beta");
          for (const [name, value] of Object.entries(values)) {
            form.elements[name].value = value;
            form.elements[name].dispatchEvent(new Event("input", { bubbles: true }));
          }
        }""",
        values,
    )


def test_page_computes_what_python_computes(open_page):
    page, draw = open_page(BetaCalculator()._repr_html_()), random.Random(0)
    for _ in range(30):
        loss = dict(
            reconstruction=draw.choice(("sum", "mean")),
            reconstruction_weight=draw.choice(WEIGHTS),
            pixels=draw.choice(COUNTS),
            kl=draw.choice(("sum", "mean")),
            kl_weight=draw.choice(WEIGHTS),
            latents=draw.choice(COUNTS),
        )
        sigma = draw.choice((None, 0.1, 1, 19.8))
        enter(page, loss | dict(error="nll" if sigma is None else "squared"))
        if sigma is not None:
            enter(page, dict(sigma=sigma))
        beta, implied = answered(page)
        assert math.isclose(beta, effective_beta(**loss, sigma=sigma), rel_tol=1e-3)
        assert (implied is None) == (sigma is None)
        assert implied is None or math.isclose(implied, implied_sigma(**loss), rel_tol=1e-3)


def test_public_settings_are_decoded(open_page):
    page = open_page(BetaCalculator()._repr_html_())
    for number, beta in enumerate((3.92, 2.048, 1.536, 392, 0.5, 1)):
        page.locator("[name=preset]").select_option(index=number)
        assert answered(page)[0] == beta
    page.locator("[name=kl_weight]").fill("4")
    assert page.locator("[name=preset]").evaluate("e => e.value") == "your own loss"
    assert answered(page)[0] == 4


def test_two_on_one_page_do_not_meddle(open_page):
    form = BetaCalculator()._repr_html_()
    page = open_page(form + form)
    page.locator("[name=kl_weight]").nth(1).fill("2")
    assert answered(page)[0] == 3.92


def test_nonsense_gets_a_plain_answer(open_page):
    page = open_page(BetaCalculator()._repr_html_())
    for value in ("0", "-3", ""):
        page.locator("[name=pixels]").fill(value)
        text = page.locator("output").inner_text()
        assert text == "Weights and counts must be positive numbers."


def test_without_scripts_it_is_no_dead_form(open_page):
    page = open_page(BetaCalculator()._repr_html_(), scripts=False)
    assert "effective beta = 3.92" in page.locator("output").inner_text()
    assert "run this cell" in page.locator("output").inner_text()
    assert page.locator("select, input").count() == 0


def test_with_scripts_all_of_it_is_seen(open_page):
    page = open_page(BetaCalculator()._repr_html_())
    fields = page.locator("select, input").all()
    assert len(fields) == 9 and all(field.is_visible() for field in fields)
    assert "run this cell" not in page.locator("output").inner_text()


def test_it_is_worked_by_keyboard(open_page):
    page = open_page(BetaCalculator()._repr_html_())
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    assert answered(page)[0] == 2.048


# ---- the latent explorer ----

MODELS = {"CAE": "cae_plane", "VAE": "vae_plane"}
MOST_BYTES = 225_000


@pytest.fixture(scope="module")
def data():
    """Grey images, binary ones, labels."""
    grey, labels = vl.load_fashion_mnist("test")
    return grey, vl.binarize(grey, torch.Generator().manual_seed(0)), labels


@pytest.fixture(scope="module")
def explorer(data):
    grey, binary, labels = data
    models = {name: vl.load_run(run)[0] for name, run in MODELS.items()}
    walk = ("shirt", "ankle boot")
    return LatentExplorer(models, binary, labels, vl.FASHION_CLASSES, shown=grey, walk=walk)


@pytest.fixture(scope="module")
def body(explorer):
    return explorer._repr_html_()


def frames(page, n=2):
    """Wait until what was asked for is drawn."""
    for _ in range(n):
        page.evaluate("() => new Promise(requestAnimationFrame)")


def ask(page, script, argument=None, piece=0):
    """script: a function of a piece's `vaebook` and an argument."""
    frames(page)
    return page.evaluate(
        f"([n, x]) => ({script})(document.querySelectorAll('.vb-piece')[n].vaebook, x)",
        [piece, argument],
    )


def values(page, piece=0):
    return np.array(ask(page, "v => v.map.values", piece=piece))


def middle(page, pane=0):
    box = page.locator(".vb-pane").nth(pane).bounding_box()
    return np.array([box["x"] + box["width"] / 2, box["y"] + box["height"] / 2]), box["width"]


def drag(page, to, pane=0):
    """Press at the middle of a pane and move to a place in units of the plane."""
    centre, width = middle(page, pane)
    side = float(page.locator(".vb-pad input").first.get_attribute("max"))
    target = centre + np.array([to[0], -to[1]]) * width / 2 / side
    page.mouse.move(*centre)
    page.mouse.down()
    page.mouse.move(*target, steps=7)
    page.mouse.up()


def means(plane, u):
    """What PyTorch decodes at places u (N, 2) in the units of the page: (N, 784)."""
    z = torch.as_tensor(u, dtype=torch.float32) * plane.sd + plane.mean
    return vl.decode_means(plane.model, z).flatten(1)


def test_page_decodes_what_pytorch_decodes(open_page, body, explorer):
    """To 1e-2 a pixel, over the whole pad and at the codes themselves."""
    page = open_page(body)
    decode = """(v, u) => v.planes.map((plane, i) => u[i].map(at =>
      Array.from(plane.decode(at.map((x, k) => plane.mean[k] + plane.sd[k] * x)))))"""
    anywhere = explorer.side * (2 * torch.rand(60, 2) - 1)
    places = [torch.cat([anywhere, plane.u[:60]]) for plane in explorer.planes]
    found = ask(page, decode, [u.tolist() for u in places])
    for plane, u, images in zip(explorer.planes, places, found, strict=True):
        assert (torch.tensor(images) - means(plane, u)).abs().max() < 1e-2


def test_a_large_model_of_chapter_8_is_decoded_too(open_page, data):
    _, binary, labels = data
    model, _ = vl.load_run("vae_j2")
    alone = LatentExplorer(model, binary, labels, n=100)
    assert "VAE" in repr(alone) and "100 images" in repr(alone)
    page = open_page(alone._repr_html_())
    z = 2 * torch.randn(50, 2)
    found = ask(page, "(v, zs) => zs.map(z => Array.from(v.planes[0].decode(z)))", z.tolist())
    with torch.no_grad():
        expected = torch.sigmoid(model.decode(z)).flatten(1)
    assert (torch.tensor(found) - expected).abs().max() < 1e-2
    assert page.locator(".vb-pane").count() == 1


SHOWN = """() => [...document.querySelectorAll("canvas[aria-label$='decoded here']")].map(c =>
  Array.from(c.getContext("2d").getImageData(0, 0, 28, 28).data).filter((_, i) => i % 4 === 0))"""


def check_images(page, explorer):
    """The two pictures on the page are those of PyTorch at the handles, dark ink on white."""
    at = values(page)
    shown = torch.tensor(page.evaluate(SHOWN)) / 255
    for plane, u, image in zip(explorer.planes, at, shown, strict=True):
        assert (1 - image - means(plane, u[None])).abs().max() < 1.5e-2


def test_it_is_dragged_by_mouse(open_page, body, explorer):
    page = open_page(body)
    for pane, place in ((0, (1.2, -0.5)), (1, (-0.7, 1.4))):
        drag(page, place, pane)
        np.testing.assert_allclose(values(page), [place, place], atol=0.03)
        check_images(page, explorer)
    centre, width = middle(page)
    page.mouse.move(*(centre + width / 4))  # nothing is held down any more
    np.testing.assert_allclose(values(page), [place, place], atol=0.03)


def test_it_stays_on_the_map(open_page, body, explorer):
    page = open_page(body)
    drag(page, (99, -99))
    np.testing.assert_allclose(values(page), [[explorer.side, -explorer.side]] * 2)


def test_it_is_dragged_by_finger(open_page, body, explorer):
    page = open_page(body, has_touch=True, is_mobile=True, viewport=dict(width=390, height=844))
    (x, y), width = middle(page)
    touch = page.context.new_cdp_session(page)
    before = page.evaluate("() => scrollY")
    for kind, part in (("Start", 0), ("Move", 0.1), ("Move", 0.25), ("End", None)):
        at = [] if part is None else [dict(x=x + part * width, y=y - part * width)]
        touch.send("Input.dispatchTouchEvent", dict(type=f"touch{kind}", touchPoints=at))
    place = explorer.side / 2
    np.testing.assert_allclose(values(page), [[place, place]] * 2, atol=0.05)
    assert page.evaluate("() => scrollY") == before
    check_images(page, explorer)


def test_explorer_is_worked_by_keyboard(open_page, body, explorer):
    page, step = open_page(body), explorer.side / 40
    page.keyboard.press("Tab")
    for key, there in (
        ("ArrowRight", (1, 0)),
        ("ArrowUp", (1, 1)),
        ("Shift+ArrowLeft", (-4, 1)),
        ("Shift+ArrowDown", (-4, -4)),
        ("PageUp", (-4, 1)),
        ("Home", (0, 0)),
        ("ArrowDown", (0, -1)),
    ):
        page.keyboard.press(key)
        np.testing.assert_allclose(values(page), step * np.array([there] * 2), atol=1e-6)
    check_images(page, explorer)
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.tagName") == "SELECT"


def spoken(page):
    frames(page)
    return page.evaluate("() => document.activeElement.getAttribute('aria-valuetext')")


def test_screen_reader_hears_place_and_class(open_page, body, explorer):
    page = open_page(body)
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+ArrowRight")
    text, (x, y) = spoken(page), values(page)[0]
    assert text.startswith(f"across {x:.2f}, up {y:.2f}. CAE: ".replace("-", "−"))
    for plane in explorer.planes:
        distances = (plane.u - torch.tensor([x, y])).norm(dim=1)
        near = explorer.labels[distances < distances.min() + 0.005]  # codes come in small steps
        said = re.search(rf"{plane.name}: (?:a hole, )?nearest is (.*?), ([\d.]+) away", text)
        assert said[1] in [explorer.names[c] for c in near]
        assert float(said[2]) == pytest.approx(distances.min().item(), abs=0.011)
    page.keyboard.press("ArrowUp")
    assert spoken(page) != text
    # both axes are sliders, for a finger that swipes over them
    roles = page.locator(".vb-pad input[type=range]")
    assert [roles.nth(k).get_attribute("aria-label").split(": ")[1] for k in (0, 1)] == [
        "across", "up",
    ]  # fmt: skip
    roles.nth(1).evaluate("e => { e.value = 1; e.dispatchEvent(new Event('input')); }")
    np.testing.assert_allclose(values(page)[:, 1], 1, atol=1e-6)


def test_buttons_are_announced(open_page, body):
    page = open_page(body)
    page.get_by_role("button", name="Widest holes").click()
    voice = page.locator("[aria-live=polite]")
    voice.wait_for(state="attached")
    page.wait_for_function("() => document.querySelector('[aria-live]').textContent !== ''")
    assert re.fullmatch(r"CAE: a hole, .* away\. VAE: a hole, .* away", voice.text_content())


def test_distance_is_that_of_the_nearest_code(open_page, body, explorer):
    page = open_page(body)
    page.keyboard.press("Tab")
    holes = 0
    for _ in range(12):
        page.keyboard.press("Shift+ArrowRight" if random.random() < 0.5 else "Shift+ArrowUp")
        at = torch.tensor(values(page), dtype=torch.float32)
        for i, plane in enumerate(explorer.planes):
            distance = (plane.u - at[i]).norm(dim=1).min().item()
            text = page.locator(".vb-said").nth(i).inner_text()
            assert float(re.search(r"code ([\d.]+) away", text)[1]) == pytest.approx(
                distance, abs=0.011
            )
            if abs(distance - plane.reach) > 0.01:
                assert ("A hole" in text) == (distance > plane.reach)
                holes += "A hole" in text
    assert holes > 0


def test_reach_is_that_of_95_of_100_images(explorer):
    for plane in explorer.planes:
        apart = torch.cdist(plane.u, plane.u) + 99 * torch.eye(len(plane.u))
        assert (apart.amin(1) <= plane.reach).float().mean() == pytest.approx(0.95, abs=0.01)
        np.testing.assert_allclose(plane.u.mean(0), 0, atol=1e-5)
        np.testing.assert_allclose(plane.u.std(0), 1, atol=1e-5)


def test_hole_is_empty_and_among_the_codes(explorer):
    for plane in explorer.planes:
        off = plane.u - plane.hole
        assert off.norm(dim=1).min().item() == pytest.approx(plane.depth)
        assert plane.depth > plane.reach
        for angle in torch.linspace(0, 2 * torch.pi, 50):
            side = off @ torch.stack([angle.cos(), angle.sin()])
            assert (side > 0).float().mean() > 0.03


def test_a_class_is_gone_to_and_stands_out(open_page, body, explorer):
    page = open_page(body)
    before = page.locator(".vb-pane canvas").first.screenshot()
    page.get_by_label("Class").select_option("bag")
    chosen = explorer.labels == explorer.names.index("bag")
    expected = [plane.u[chosen].median(0).values.numpy() for plane in explorer.planes]
    np.testing.assert_allclose(values(page), expected, atol=0.01)
    assert page.locator(".vb-pane canvas").first.screenshot() != before
    check_images(page, explorer)


@pytest.mark.parametrize("motion", ("no-preference", "reduce"))
def test_walk_ends_at_the_same_image_in_both_planes(open_page, body, explorer, motion):
    page = open_page(body, reduced_motion=motion)
    start = ask(page, "v => v.map.ticker.count")
    page.get_by_role("button", name="Walk: shirt to ankle boot").click()
    page.get_by_role("button", name="Stop").wait_for()
    page.get_by_role("button", name="Walk").wait_for(timeout=15_000)
    first, last = explorer.walk
    for row, name in ((first, "shirt"), (last, "ankle boot")):
        assert explorer.names[explorer.labels[row]] == name
    np.testing.assert_allclose(
        values(page), [plane.u[last].numpy() for plane in explorer.planes], atol=0.01
    )
    assert page.locator("figcaption", has_text="nearest image: ankle boot").count() == 2
    moves = ask(page, "v => v.map.ticker.count") - start
    assert moves < 20 if motion == "reduce" else moves > 20


def test_reader_stops_the_walk(open_page, body):
    page = open_page(body)
    page.get_by_role("button", name="Walk").click()
    drag(page, (1, 1))
    page.wait_for_timeout(300)
    np.testing.assert_allclose(values(page), 1, atol=0.03)
    assert page.get_by_role("button", name="Stop").count() == 0


def test_two_explorers_on_one_page_do_not_meddle(open_page, body):
    page = open_page(body + body)
    drag(page, (1, 1))
    np.testing.assert_allclose(values(page), 1, atol=0.03)
    np.testing.assert_allclose(values(page, piece=1), 0)
    counts = [ask(page, "v => v.decodes", piece=k) for k in (0, 1)]
    assert min(counts[0]) > max(counts[1])


def test_without_scripts_the_explorer_is_a_picture(open_page, body):
    page = open_page(body, scripts=False)
    still = page.locator(".vb-still img")
    alt = still.get_attribute("alt")
    assert still.is_visible() and still.evaluate("e => e.naturalWidth") > 300
    assert "CAE and VAE" in alt and "500 images" in alt
    assert page.locator("canvas, button, select, input").count() == 0


def test_with_scripts_the_still_is_gone(open_page, body):
    page = open_page(body)
    assert page.locator(".vb-still").count() == 0
    assert page.locator("button, select").count() == 3


@pytest.mark.parametrize("scheme", ("light", "dark"))
def test_axe_finds_nothing_in_the_explorer(open_page, body, scheme):
    page = open_page(body, color_scheme=scheme)
    page.get_by_role("button", name="Widest holes").click()
    assert site.axe(page) == []


def test_maps_follow_the_theme(open_page, body):
    page = open_page(body, color_scheme="light")
    colour = """() => { const c = document.querySelector(".vb-pane canvas");
      return getComputedStyle(c.closest(".vb-piece")).backgroundColor + c.toDataURL(); }"""
    frames(page)
    light = page.evaluate(colour)
    page.emulate_media(color_scheme="dark")
    frames(page, 3)
    dark = page.evaluate(colour)
    assert light.split("data:")[0] != dark.split("data:")[0]
    assert light.split("data:")[1] != dark.split("data:")[1]


@pytest.mark.parametrize("width", (320, 390, 760))
def test_explorer_fits_the_page(open_page, body, width):
    page = open_page(body, viewport=dict(width=width, height=844))
    assert site.overflow(page, width) == []
    assert page.locator(".vb-pane").first.bounding_box()["width"] > (150 if width < 390 else 200)


def test_explorer_asks_for_nothing(open_page, body):
    page = open_page(body)
    drag(page, (1, 1))
    page.get_by_role("button", name="Widest holes").click()
    frames(page)
    assert [r for r in page.watch.requests if not r.startswith(("file:", "data:"))] == []
    assert page.watch.errors == []


def test_explorer_is_small(body):
    assert len(body.encode()) <= MOST_BYTES


def test_one_decode_a_frame(open_page, body):
    """A hundred moves between two frames are one decode of each model."""
    page = open_page(body)
    frames(page)
    counted = page.evaluate(
        """async () => {
          const piece = document.querySelector(".vb-piece").vaebook, before = [...piece.decodes];
          const canvas = document.querySelectorAll(".vb-pane canvas")[1];
          const box = canvas.getBoundingClientRect(), last = piece.map.ticker.count;
          const send = (type, i) => canvas.dispatchEvent(new PointerEvent(type, {
            pointerId: 7, button: 0, bubbles: true, clientX: box.x + i, clientY: box.y + i }));
          send("pointerdown", 5);
          for (let frame = 0; frame < 10; frame++) {
            for (let i = 0; i < 100; i++) send("pointermove", 10 * frame + i);
            await new Promise(requestAnimationFrame);
          }
          return piece.decodes.map((n, k) => n - before[k]).concat(piece.map.ticker.count - last);
        }"""
    )
    assert all(9 <= n <= 11 for n in counted)


def small(kind="vae", latent_dim=2, **options):
    return vl.make_model(kind, "mlp", latent_dim, (1, 4, 4), hidden=(5,), **options)


def refused(models=None, n=30, labels=None, **options):
    images = torch.rand(30, 1, 4, 4)
    labels = torch.arange(30) % 3 if labels is None else labels
    return LatentExplorer(small() if models is None else models, images[:n], labels, **options)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(models={"A": small(), "B": small(latent_dim=3)}), "two latents, B has 3"),
        (dict(n=29), "29 images need as many labels"),
        (dict(labels=torch.zeros(30, 2)), r"got \(30, 2\)"),
        (dict(names=("a", "b")), "labels 0 to 2 need names"),
        (dict(labels=torch.arange(30)), "ten at most, got 30"),
        (dict(walk=("a", "q"), names=("a", "b", "c")), "two classes that occur.*'q'"),
        (dict(models=vl.make_model("vae", "mlp", 2)), r"the model takes \(N, \*\(1, 28, 28\)"),
        (dict(shown=torch.rand(2, 1, 4, 4)), "and 2"),
    ],
)
def test_what_does_not_match_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        refused(**arguments)


def test_a_latent_without_use_is_refused():
    model = small("autoencoder")
    with torch.no_grad():
        for parameter in model.encoder.parameters():
            parameter.zero_()
    with pytest.raises(ValueError, match="all codes of A are equal"):
        refused({"A": model})


def test_a_decoder_the_page_cannot_run_is_refused():
    model = small()
    model.decoder.net[1] = torch.nn.Tanh()
    with pytest.raises(ValueError, match="Tanh cannot be exported"):
        refused(model)._repr_html_()


def test_measured_frames_are_in_time(body):
    """What experiments/frame_times.py stored: the script's own work leaves the frame in time."""
    path = Path(__file__).parents[1] / "experiments" / "results" / "frame_times.json"
    result = json.loads(path.read_text())
    assert result["script_ms"]["median"] < 16 and result["frames"] > 100
    assert result["page_kb"] == pytest.approx(len(body.encode()) / 1000, rel=0.05)
