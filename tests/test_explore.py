"""The interactive pieces in a headless browser: the page computes what Python computes."""

import math
import random
import re

import pytest

from vae_lib import BetaCalculator, effective_beta, implied_sigma

COUNTS, WEIGHTS = (1, 20, 784, 12_288), (1, 0.5, 500, 0.00025)


@pytest.fixture
def open_page(browser, tmp_path):
    """open_page(body) shows a bare page from the disk; scripts=False switches scripts off."""
    contexts = []

    def show(body, scripts=True):
        file = tmp_path / "page.html"
        file.write_text(f"<!doctype html><meta charset='utf-8'>{body}", encoding="utf-8")
        contexts.append(browser.new_context(java_script_enabled=scripts))
        page = contexts[-1].new_page()
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
