"""The pieces for the reparameterization trick and for beta, in a headless browser."""

import html
import importlib.util
import json
import random
import re
from pathlib import Path

import numpy as np
import pytest
import site_tools as site
import torch

import vae_lib as vl
from vae_lib import demos
from vae_lib.demos import BetaDemo, ReparameterizationDemo

ROOT = Path(__file__).parents[1]
SHOWN_IN = {ReparameterizationDemo: "05_reparameterization", BetaDemo: "04_likelihoods"}
PIECES = pytest.mark.parametrize("piece", (ReparameterizationDemo, BetaDemo))


@pytest.fixture(scope="module")
def bodies():
    return {piece: piece()._repr_html_() for piece in SHOWN_IN}


@pytest.fixture
def open_piece(browser, tmp_path, bodies):
    """open_piece(class) shows it on a bare page from the disk; options are the context's."""
    contexts = []

    def show(piece, copies=1, scripts=True, **options):
        file = tmp_path / "page.html"
        body = bodies[piece] * copies
        head = "<!doctype html><html lang='en'><meta charset='utf-8'><title>piece</title>"
        file.write_text(f"{head}<main><h1>piece</h1>{body}</main>", encoding="utf-8")
        contexts.append(browser.new_context(java_script_enabled=scripts, **options))
        page = contexts[-1].new_page()
        page.watch = site.Watch(page)
        page.goto(file.as_uri())
        if scripts:
            page.wait_for_function(f"n => document.querySelectorAll('.vb-box').length === {copies}")
            settle(page)
        return page

    yield show
    for context in contexts:
        context.close()


def settle(page):
    """Wait until what was asked for is drawn."""
    page.evaluate("() => new Promise(f => requestAnimationFrame(() => requestAnimationFrame(f)))")


def ask(page, script, argument=None):
    """script: a function of the first piece's `vaebook` and an argument."""
    return page.evaluate(
        f"a => ({script})(document.querySelector('.vb-piece').vaebook, a)", argument
    )


def number(text):
    return float(text.replace("−", "-").replace(",", ""))


def cells(page, table, row):
    """The numbers of one row of a table."""
    texts = page.locator(f"{table} tbody tr").nth(row).locator("td").all_inner_texts()
    return [None if text == "–" else number(text) for text in texts]


def put(page, name, value):
    """Move a slider as a reader would."""
    page.locator(f"[name={name}]").first.evaluate(
        "(e, v) => { e.value = v; e.dispatchEvent(new Event('input', { bubbles: true })); }", value
    )


def drag(page, x, y, right, up=0):
    """Drag with the mouse from a point of the page."""
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + right / 2, y - up / 2)
    page.mouse.move(x + right, y - up)
    page.mouse.up()
    settle(page)


def touch(page, x, y, right):
    """Drag with a finger."""
    session = page.context.new_cdp_session(page)
    for kind, at in (("touchStart", x), ("touchMove", x + right / 2), ("touchMove", x + right)):
        points = [{"x": at, "y": y}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    settle(page)


def middle(locator):
    box = locator.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


# ---- the reparameterization trick ----


def f(z):
    return z**2 + torch.sin(z)


def expected_f(mu, sigma):
    return mu**2 + sigma**2 + torch.exp(-(sigma**2) / 2) * torch.sin(mu)


def gradients(value_of, mu, sigma):
    """By autograd: of mu, of sigma and of log sigma^2."""
    mu = torch.tensor(mu, dtype=torch.float64, requires_grad=True)
    logvar = torch.tensor(2 * np.log(sigma), dtype=torch.float64, requires_grad=True)
    sigma = torch.exp(0.5 * logvar)
    sigma.retain_grad()
    value_of(mu, sigma).backward()
    return [mu.grad.item(), sigma.grad.item(), logvar.grad.item()]


def nats_of(mu, sigma):
    """KL(N(mu, sigma^2) || N(0, 1))."""
    return vl.gaussian_kl(torch.tensor([[mu]]), torch.tensor([[2 * np.log(sigma)]])).item()


def test_trick_shows_the_numbers_of_autograd(open_piece):
    page, pick = open_piece(ReparameterizationDemo), random.Random(0)
    for _ in range(25):
        state = {name: round(pick.uniform(*ends), 2) for name, ends in demos._LIMITS.items()}
        squared = pick.random() < 0.5
        for name, value in state.items():
            put(page, name, value)
        page.locator("[name=squared]").set_checked(squared)
        settle(page)
        mu, sigma, eps = state.values()

        def draw(m, s, eps=eps, squared=squared):
            return f(m + (s**2 if squared else s) * eps)

        guesses, exact = gradients(draw, mu, sigma), gradients(expected_f, mu, sigma)
        for row in range(3):
            guess, mean, truth = cells(page, ".vb-gradients", row)
            assert mean is None
            assert abs(guess - guesses[row]) < 0.0051 and abs(truth - exact[row]) < 0.0051
        sampled = sigma**2 if squared else sigma
        assert cells(page, ".vb-truth", 0) == [sigma, pytest.approx(sampled, abs=0.0051)]
        kls = [nats_of(mu, sigma), nats_of(mu, sampled)]
        assert cells(page, ".vb-truth", 1) == pytest.approx(kls, abs=0.00051)


def test_squared_sigma_samples_what_is_not_charged(open_piece):
    page = open_piece(ReparameterizationDemo)
    for name, value in dict(mu=1, sigma=0.3).items():
        put(page, name, value)
    settle(page)
    assert cells(page, ".vb-truth", 0) == [0.3, 0.3]
    assert cells(page, ".vb-truth", 1) == [1.249, 1.249]
    page.get_by_label("the common mistake").check()
    settle(page)
    assert cells(page, ".vb-truth", 0) == [0.3, 0.09]
    assert cells(page, ".vb-truth", 1) == [1.249, 2.412]
    assert "Not a bound any more" in page.locator(".vb-note").inner_text()


def test_squared_sigma_of_one_still_doubles_the_gradient(open_piece):
    page = open_piece(ReparameterizationDemo)
    put(page, "sigma", 1)
    settle(page)
    right = cells(page, ".vb-gradients", 1)[0]
    page.get_by_label("the common mistake").check()
    settle(page)
    assert cells(page, ".vb-gradients", 1)[0] == pytest.approx(2 * right, abs=0.011)
    assert "twice what it should be" in page.locator(".vb-note").inner_text()


def test_running_mean_is_that_of_the_draws(open_piece):
    page = open_piece(ReparameterizationDemo)
    page.get_by_role("button", name="Draw ε").click()
    for _ in range(3):
        page.get_by_role("button", name="Draw 100").click()
    put(page, "mu", -0.7)  # the noise of earlier draws stays
    put(page, "sigma", 0.45)
    settle(page)
    eps = torch.tensor(ask(page, "v => v.draws()"), dtype=torch.float64)
    assert len(eps) == 301 and "mean of 301" in page.locator(".vb-gradients").inner_text()
    for squared in (False, True):
        page.locator("[name=squared]").set_checked(squared)
        settle(page)
        means = gradients(
            lambda m, s, squared=squared: f(m + (s**2 if squared else s) * eps).mean(), -0.7, 0.45
        )
        shown = [cells(page, ".vb-gradients", row)[1] for row in range(3)]
        assert shown == pytest.approx(means, abs=0.0051)
    page.get_by_role("button", name="Forget the draws").click()
    settle(page)
    assert cells(page, ".vb-gradients", 0)[1] is None


def test_draws_are_standard_normal_and_the_mean_converges(open_piece):
    page = open_piece(ReparameterizationDemo)
    ask(page, "v => v.draw(20000)")
    settle(page)
    eps = np.array(ask(page, "v => v.draws()"))
    n = len(eps)
    assert n == 10_000 and page.get_by_role("button", name="Draw ε").is_disabled()
    assert abs(eps.mean()) < 4 / n**0.5 and abs(eps.std() - 1) < 4 / (2 * n) ** 0.5
    assert abs((eps**4).mean() - 3) < 4 * (96 / n) ** 0.5
    assert abs(np.corrcoef(eps[1:], eps[:-1])[0, 1]) < 4 / n**0.5
    _, mean, exact = cells(page, ".vb-gradients", 1)
    slope = 2 * (0.5 + 0.8 * eps) + np.cos(0.5 + 0.8 * eps)
    assert abs(mean - exact) < 4 * (slope * eps).std() / n**0.5 + 0.01


def test_trick_is_dragged_by_mouse(open_piece):
    page = open_piece(ReparameterizationDemo)
    unit = ask(page, "v => (document.querySelector('.vb-scene').clientWidth - 24) / 8")
    grips = page.locator(".vb-grip .vb-knob")
    for number_of, (name, by) in enumerate((("eps", -1.5), ("mu", 0.5), ("sigma", -0.4))):
        before = ask(page, "v => v.state")
        drag(page, *middle(grips.nth(number_of)), by * unit)
        after = ask(page, "v => v.state")
        assert after[name] == pytest.approx(before[name] + by, abs=0.02)
        assert {k: v for k, v in after.items() if k != name} == {
            k: v for k, v in before.items() if k != name
        }


def test_trick_is_dragged_by_finger(open_piece):
    page = open_piece(ReparameterizationDemo, has_touch=True, viewport=dict(width=390, height=844))
    unit = ask(page, "v => (document.querySelector('.vb-scene').clientWidth - 24) / 8")
    touch(page, *middle(page.locator(".vb-grip .vb-knob").first), -2 * unit)
    assert ask(page, "v => v.state.eps") == pytest.approx(-1, abs=0.03)
    assert page.evaluate("() => scrollY") == 0


def test_trick_is_worked_by_keyboard(open_piece):
    page, reached = open_piece(ReparameterizationDemo), []
    for _ in range(7):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("() => document.activeElement.name"))
        if reached[-1] in ("mu", "sigma", "eps"):
            page.keyboard.press("ArrowRight")
        if reached[-1] == "squared":
            page.keyboard.press("Space")
    settle(page)
    assert reached[:3] == ["mu", "sigma", "eps"] and "squared" in reached
    assert ask(page, "v => v.state") == {"mu": 0.51, "sigma": 0.81, "eps": 1.01, "squared": True}
    spoken = page.locator("[name=mu]").get_attribute("aria-valuetext")
    assert spoken == f"μ 0.51, z {0.51 + 0.81**2 * 1.01:.2f}"
    slider = page.get_by_role("slider", name="standard deviation σ")
    assert slider.get_attribute("aria-valuetext").startswith("σ 0.81")


def test_screen_reader_hears_the_gradient(open_piece):
    page = open_piece(ReparameterizationDemo)
    put(page, "eps", -1)
    region = page.locator("[aria-live=polite]")
    page.wait_for_function("() => document.querySelector('[aria-live=polite]')?.textContent")
    slope = 2 * -0.3 + np.cos(-0.3)
    assert f"slope of f {slope:.2f}" in region.inner_text()
    assert f"of sigma {-slope:.2f}".replace("-", "−") in region.inner_text()


def test_a_draw_beyond_the_picture_is_said(open_piece):
    page = open_piece(ReparameterizationDemo)
    for name, value in dict(mu=2, sigma=1.2, eps=3).items():
        put(page, name, value)
    settle(page)
    assert "z = 5.60, beyond the picture" in page.locator(".vb-scene").text_content()
    assert not re.search("Infinity|NaN", page.locator(".vb-box").inner_html())


# ---- beta ----


@pytest.fixture(scope="module")
def runs():
    """beta -> (model, entry) of the six stored runs, as stored."""
    return {beta: vl.load_run(f"beta_{beta:g}") for beta in demos._BETAS}


@pytest.fixture(scope="module")
def turned():
    """The six models as the page has them, their axes turned."""
    return demos._models(demos._test_images()[0])


def test_turning_the_axes_changes_nothing_else(runs, turned):
    x, _ = demos._test_images()
    eps, kinds, reference = torch.randn(len(x), 2), set(), vl.posterior(runs[1][0], x)[0]
    for (model, _), other in zip(runs.values(), turned, strict=True):
        mu, logvar = vl.posterior(model, x)
        new_mu, new_logvar = vl.posterior(other, x)
        order = [0, 1] if torch.allclose(new_logvar, logvar) else [1, 0]
        signs = (new_mu * mu[:, order]).sum(0).sign()
        kinds.add((*order, *signs.tolist()))
        torch.testing.assert_close(new_mu, mu[:, order] * signs)
        torch.testing.assert_close(new_logvar, logvar[:, order])
        z = mu + eps * torch.exp(0.5 * logvar)
        with torch.no_grad():
            torch.testing.assert_close(other.decode(z[:, order] * signs), model.decode(z))
        assert (new_mu * reference).sum() >= (mu * reference).sum() - 1e-6
    assert len(kinds) > 1  # else there was nothing to test


def parts_of(entry):
    test = entry["metrics"]["test"]
    return test["kl"]["mean"], -test["log_px_z"]["mean"], -test["value"]["mean"]


def test_stored_runs_are_those_of_their_script(runs, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "experiments"))
    path = ROOT / "experiments" / "train_beta.py"
    spec = importlib.util.spec_from_file_location("train_beta", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.BETAS == demos._BETAS
    for beta, (_, entry) in runs.items():
        assert entry["objective"] == {"name": "beta_elbo", "beta": beta}
        assert entry["model"] == script.SPEC and script.RUNS[f"beta_{beta:g}"] == beta
        assert entry["config"]["epochs"] == 20 and entry["config"]["binarize"]


def test_rate_falls_and_distortion_rises_with_beta(runs):
    rates, distortions, sums = zip(*(parts_of(entry) for _, entry in runs.values()), strict=True)
    assert list(rates) == sorted(rates, reverse=True) and list(distortions) == sorted(distortions)
    assert demos._BETAS[sums.index(min(sums))] == 1
    assert rates[-1] < 0.01 and rates[0] > 8
    for r, d, s in zip(rates, distortions, sums, strict=True):
        assert abs(r + d - s) < 1e-3


def test_beta_decodes_what_pytorch_decodes(open_piece, turned):
    page, worst = open_piece(BetaDemo), 0
    for k, model in enumerate(turned):
        points = (torch.rand(40, 2, generator=torch.Generator().manual_seed(k)) * 2 - 1) * 4
        decoded = page.evaluate(
            """([k, points]) => {
              const root = document.querySelector(".vb-piece");
              const data = JSON.parse(root.querySelector("script").textContent);
              const decode = VaeBook.decoder(data.runs[k].decoder);
              return points.map(z => Array.from(decode(z)));
            }""",
            [k, points.tolist()],
        )
        with torch.no_grad():
            expected = torch.sigmoid(model.decode(points)).flatten(1)
        worst = max(worst, (torch.tensor(decoded) - expected).abs().max().item())
    assert worst < 0.01


def test_beta_shows_the_numbers_of_the_stored_runs(open_piece, runs, turned):
    page = open_piece(BetaDemo)
    x, _ = demos._test_images()
    for k, (model, (_, entry)) in enumerate(zip(turned, runs.values(), strict=True)):
        put(page, "beta", k)
        settle(page)
        assert cells(page, ".vb-dial", 0) == [round(v, 2) for v in parts_of(entry)]
        mu, logvar = vl.posterior(model, x)
        for image in (0, 4, 9):
            page.locator(".vb-choice button").nth(image).click()
            settle(page)
            i = ask(page, "v => v.chosen")[image]
            assert mu[i].abs().max() < demos._SIDE
            rate = vl.gaussian_kl(mu[i : i + 1], logvar[i : i + 1]).item()
            with torch.no_grad():
                logits = model.decode(mu[i : i + 1])
                cost = -model.likelihood.log_prob(x[i : i + 1], logits).item()
            shown = cells(page, ".vb-dial", 1)
            assert shown[0] == pytest.approx(rate, abs=0.02)
            assert shown[1] == pytest.approx(cost, abs=0.3)
            assert shown[2] is None  # one z gives no bound


def test_beta_draws_the_codes_of_the_encoder(open_piece, turned):
    page = open_piece(BetaDemo)
    x, _ = demos._test_images()
    for k, model in enumerate(turned):
        mu, logvar = vl.posterior(model, x)
        for i in (0, 77, 149):
            shown = ask(page, "(v, [k, i]) => Array.from(v.code(k, i))", [k, i])
            expected = torch.cat([mu[i], torch.exp(0.5 * logvar[i])])
            torch.testing.assert_close(torch.tensor(shown), expected, rtol=2e-3, atol=1e-3)


def test_beta_shows_each_image_bit_by_bit(open_piece):
    page = open_piece(BetaDemo)
    shown = ask(page, "v => v.pictures.map(p => Array.from(p))")
    x, labels = demos._test_images()
    chosen = ask(page, "v => v.chosen")
    assert torch.equal(torch.tensor(shown), x[chosen].flatten(1))
    assert labels[chosen].tolist() == list(range(10))


def test_ellipses_grow_until_they_are_the_prior(runs):
    x, _ = demos._test_images()
    sizes = [demos._codes(model, x)[:, 2:].mean().item() for model, _ in runs.values()]
    assert sizes == sorted(sizes) and sizes[0] < 0.05 and abs(sizes[-1] - 1) < 1e-3


def test_beta_is_dragged_by_mouse(open_piece):
    page = open_piece(BetaDemo, reduced_motion="reduce")
    pane = page.locator(".vb-pane").bounding_box()
    unit = pane["width"] / 8
    x0, y0 = pane["x"] + pane["width"] / 2, pane["y"] + pane["height"] / 2
    before = cells(page, ".vb-dial", 1)
    drag(page, x0, y0, 1.5 * unit, -1 * unit)
    assert ask(page, "v => v.pad.values[0]") == pytest.approx([1.5, -1], abs=0.05)
    after = cells(page, ".vb-dial", 1)
    assert after[0] == before[0] and after[1] > before[1] + 50  # far from the trousers


def test_beta_is_dragged_by_finger(open_piece):
    page = open_piece(BetaDemo, has_touch=True, viewport=dict(width=390, height=844))
    pane = page.locator(".vb-pane").bounding_box()
    touch(page, pane["x"] + pane["width"] / 2, pane["y"] + pane["height"] / 2, pane["width"] / 4)
    assert ask(page, "v => v.pad.values[0]") == pytest.approx([2, 0], abs=0.1)
    assert page.evaluate("() => scrollY") == 0


def test_beta_is_worked_by_keyboard(open_piece):
    page = open_piece(BetaDemo)
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    settle(page)
    dial = page.get_by_role("slider", name="beta", exact=True)
    assert dial.get_attribute("aria-valuetext").startswith("beta 4: rate ")
    page.keyboard.press("Tab")
    before = ask(page, "v => v.pad.values[0]")
    page.keyboard.press("ArrowUp")
    settle(page)
    assert ask(page, "v => v.pad.values[0]") == pytest.approx([before[0], before[1] + 0.1])
    spoken = page.get_by_role("slider", name="latent plane: z1").get_attribute("aria-valuetext")
    assert re.search(r"distortion of the trouser here \d+ nats", spoken)
    bag = page.get_by_role("button", name="bag")
    bag.focus()
    page.keyboard.press("Enter")
    settle(page)
    assert bag.get_attribute("aria-pressed") == "true"


# ---- both ----


@PIECES
def test_two_on_one_page_do_not_meddle(open_piece, piece):
    page = open_piece(piece, copies=2)
    state = "v => JSON.stringify(v.state)"
    before = ask(page, state)
    page.evaluate(
        "() => document.querySelectorAll('.vb-piece')[1].querySelector('input').stepUp(2)"
    )
    page.locator(".vb-piece").nth(1).locator("input").first.dispatch_event("input")
    settle(page)
    second = page.evaluate(
        "() => JSON.stringify(document.querySelectorAll('.vb-piece')[1].vaebook.state)"
    )
    assert ask(page, state) == before != second


@PIECES
def test_without_scripts_a_picture_tells_it(open_piece, piece):
    page = open_piece(piece, scripts=False)
    picture = page.locator("img")
    assert picture.is_visible() and picture.bounding_box()["width"] > 300
    assert len(picture.get_attribute("alt")) > 100
    assert page.locator("input, button, select, canvas, svg").count() == 0


@PIECES
def test_with_scripts_the_picture_is_gone(open_piece, piece):
    page = open_piece(piece)
    assert page.locator("img").count() == 0 and page.locator(".vb-box").is_visible()
    assert page.watch.errors == [] and len(page.watch.requests) == 1


@PIECES
@pytest.mark.parametrize("scheme", ("light", "dark"))
def test_axe_finds_nothing(open_piece, piece, scheme):
    page = open_piece(piece, color_scheme=scheme)
    assert site.axe(page) == []


@PIECES
@pytest.mark.parametrize("width", (320, 390, 700, 1000))
def test_nothing_is_wider_than_the_page(open_piece, piece, width):
    page = open_piece(piece, viewport=dict(width=width, height=800))
    page.add_style_tag(content="body { font-family: system-ui; }")  # the book's
    settle(page)
    assert page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0
    beyond = page.evaluate(
        """() => {
          const edge = document.querySelector(".vb-box").getBoundingClientRect().right + 1;
          const all = document.querySelectorAll(".vb-box :is(table, th, td, p, label, button)");
          return [...all].filter(e => e.getBoundingClientRect().right > edge)
            .map(e => e.outerHTML.slice(0, 80));
        }"""
    )
    assert beyond == []


@PIECES
def test_a_piece_is_small(bodies, piece):
    assert len(bodies[piece].encode()) <= (260_000 if piece is BetaDemo else 70_000)


@PIECES
def test_one_draw_a_frame(open_piece, piece):
    page = open_piece(piece)
    page.wait_for_timeout(500)  # nothing glides any more
    move = (
        "v.set({ mu: i / 50 })" if piece is ReparameterizationDemo else "v.pad.set([[i / 50, 0]])"
    )
    frame = "v.frame" if piece is ReparameterizationDemo else "v.pad.ticker"
    drawn = page.evaluate(
        f"""async () => {{
          const v = document.querySelector(".vb-piece").vaebook, start = {frame}.count;
          for (let i = 0; i < 50; i++) {move};
          const early = {frame}.count - start;
          await new Promise(f => requestAnimationFrame(() => requestAnimationFrame(f)));
          return [early, {frame}.count - start];
        }}"""
    )
    assert drawn == [0, 1]


@PIECES
def test_a_frame_is_drawn_in_time(open_piece, piece):
    """The median frame while dragging takes less than 8 ms; 16 would do for 60 a second."""
    page = open_piece(piece)
    if piece is ReparameterizationDemo:
        ask(page, "v => v.draw(2000)")
        x, y = middle(page.locator(".vb-grip .vb-knob").nth(1))
    else:
        x, y = middle(page.locator(".vb-pane"))
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(60):
        page.mouse.move(x + step - 30, y)
    page.mouse.up()
    times = ask(page, "v => (v.frame || v.pad.ticker).times")
    assert len(times) > 10 and float(np.median(times)) < 8


@PIECES
def test_the_chapter_shows_the_piece_as_it_is(bodies, piece):
    """Script, style and data in the committed notebook are today's; the still picture apart."""
    text = (ROOT / "notebooks" / f"{SHOWN_IN[piece]}.ipynb").read_text("utf-8")
    outputs = [o for c in json.loads(text)["cells"] for o in c.get("outputs", ())]
    shown = ["".join(o.get("data", {}).get("text/html", "")) for o in outputs]
    name = re.search('data-piece="(.*?)"', bodies[piece])[0]
    stored = next((body for body in shown if name in body), None)
    assert stored is not None, f"{SHOWN_IN[piece]} does not show {piece.__name__}"
    assert parts(stored) == parts(bodies[piece])


def parts(body):
    """Style, data and script of a piece; of the data, not what the encoder computed."""
    style, data, script = (
        re.search(pattern, body, re.S)[1]
        for pattern in (r"<style>(.*?)</style>", r"json\">(.*?)</script>", r"<script>(.*)</script>")
    )
    data = json.loads(html.unescape(data))
    data.pop("codes", None)
    return style, data, script
