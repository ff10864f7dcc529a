"""The built book in a headless browser: every page of the table of contents, read and looked at.

`make book` first. Each page is loaded once over http and once from the disk; what was found is
kept, and the tests below each ask one question of it.
"""

import importlib.util
import re
from pathlib import Path

import pytest
import site_tools as site
import yaml

ROOT = Path(__file__).resolve().parents[1]
HTML = ROOT / "_build" / "html"
_spec = importlib.util.spec_from_file_location("check_site", ROOT / "book/tools/check_site.py")
check_site = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(check_site)

CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
PAGES = check_site.toc_pages(yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8")))
CHAPTERS = [page for page in PAGES if (ROOT / f"{page}.ipynb").exists()]
REFERENCES = "book/references"


@pytest.fixture(scope="session")
def built():
    if not (HTML / "index.html").is_file():
        pytest.fail("there is no built book in _build/html: run make book")
    return HTML


@pytest.fixture(scope="session")
def home(built):
    with site.serve(built) as address:
        yield address


def new_page(browser):
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
    page = context.new_page()
    page.set_default_timeout(20_000)
    return page


def look_over_http(browser, home: str, name: str) -> dict:
    """Load a page once and put down everything that the tests ask about."""
    page = new_page(browser)
    watch = site.Watch(page)
    page.goto(f"{home}/{name}.html", wait_until="load")
    site.settle(page)
    allowed = site.AXE_ALLOWED_IN_REFERENCES if name == REFERENCES else set()
    found = {
        "math": page.evaluate(site.MATH),
        "images": page.evaluate(site.IMAGES),
        "folded": page.evaluate(site.FOLDED),
        "hrefs": page.eval_on_selector_all("a[href]", "links => links.map(a => a.href)"),
        "axe": site.axe(page, allowed),
        "light": site.contrast(page, "light"),
        "dark": site.contrast(page, "dark"),
        "axe in the dark": site.axe(page, rules=("color-contrast",)),
        "narrow": site.overflow(page),
    }
    found["outside"], found["errors"] = watch.outside(home), watch.errors
    page.context.close()
    return found


def look_from_disk(browser, built: Path, name: str) -> dict:
    page = new_page(browser)
    watch = site.Watch(page)
    page.goto((built / f"{name}.html").as_uri(), wait_until="load")
    site.settle(page)
    found = {"math": page.evaluate(site.MATH), "errors": watch.errors,
             "outside": watch.outside(built.as_uri())}  # fmt: skip
    page.context.close()
    return found


@pytest.fixture(scope="session")
def seen(browser, home):
    """What was found on each page, looked at once, when first asked for."""
    notes = {}

    def see(name):
        if name not in notes:
            notes[name] = look_over_http(browser, home, name)
        return notes[name]

    return see


@pytest.mark.parametrize("name", PAGES)
class TestEveryPage:
    def test_is_built(self, built, name):
        assert (built / f"{name}.html").is_file()

    def test_asks_nothing_of_the_network(self, seen, name):
        assert seen(name)["outside"] == []

    def test_has_a_clean_console(self, seen, name):
        assert seen(name)["errors"] == []

    def test_typesets_its_mathematics(self, seen, name):
        assert seen(name)["math"] == []

    def test_describes_its_pictures(self, seen, name):
        assert seen(name)["images"] == []

    def test_keeps_solutions_and_long_outputs_folded(self, seen, name):
        assert seen(name)["folded"] == []

    def test_fits_a_telephone(self, seen, name):
        assert seen(name)["narrow"] == []

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_is_legible(self, seen, name, scheme):
        assert seen(name)[scheme] == []

    def test_is_accessible(self, seen, name):
        assert seen(name)["axe"] == []

    def test_is_accessible_in_the_dark(self, seen, name):
        assert seen(name)["axe in the dark"] == []

    def test_opens_from_the_disk(self, browser, built, name):
        found = look_from_disk(browser, built, name)
        assert found == {"math": [], "errors": [], "outside": []}

    def test_links_lead_somewhere(self, built, name):
        assert site.broken_links(built / f"{name}.html", built) == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_chapter_opens_in_colab(seen, name):
    repository = CONFIG["repository"]
    path = repository["url"].removeprefix("https://github.com/").rstrip("/")
    colab = CONFIG["launch_buttons"]["colab_url"]
    wanted = f"{colab}/github/{path}/blob/{repository['branch']}/{name}.ipynb"
    assert wanted in seen(name)["hrefs"]


@pytest.mark.parametrize("name", CHAPTERS)
def test_each_result_leads_to_what_checks_it(built, name):
    page = (built / f"{name}.html").read_text(encoding="utf-8")
    results = re.findall(r'id="equation-(eq-[\w-]+)"', page)
    marks = re.findall(r'class="vb-checked"><a href="[^"#]+#check-([\w-]+)"', page)
    assert marks == results
    assert results or name.startswith("notebooks/set_")  # a problem set leaves deriving to you


def test_front_door_leads_to_the_first_page(built):
    assert f"{PAGES[0]}.html" in (built / "index.html").read_text(encoding="utf-8")


@pytest.mark.skipif(
    "notebooks/05_reparameterization" not in CHAPTERS, reason="the chapter is not written yet"
)
def test_search_finds_the_trick(browser, home, built):
    page = new_page(browser)
    page.goto(f"{home}/search.html?q=reparameterization")
    hits = page.locator("ul.search li a")
    hits.first.wait_for()
    paths = [link.removeprefix(home + "/").split("?")[0].split("#")[0]
             for link in hits.evaluate_all("links => links.map(a => a.href)")]  # fmt: skip
    page.context.close()
    assert "notebooks/05_reparameterization.html" in paths
    assert all((built / path).is_file() for path in paths)


# ---- the checks themselves: plant a fault, see it caught ----

PLANTED = """<!doctype html><html lang="en" data-theme="{theme}"><head><title>t</title>
<link rel="icon" href="data:,"></head>
<body><main><article><h1>Title</h1>{body}</article></main></body></html>"""


@pytest.fixture
def planted(browser, tmp_path):
    """Serve a small page with the given body; returns (page, watch, address)."""
    with site.serve(tmp_path) as address:
        pages = []

        def plant(body, theme="light"):
            (tmp_path / "page.html").write_text(PLANTED.format(body=body, theme=theme))
            page = new_page(browser)
            pages.append(page)
            watch = site.Watch(page)
            page.goto(f"{address}/page.html", wait_until="load")
            return page, watch, address

        yield plant
        for page in pages:
            page.context.close()


def test_sound_page_passes_every_check(planted):
    page, watch, address = planted(
        '<p>Text. <img alt="a dot" src="data:image/gif;base64,'
        'R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="></p>'
    )
    assert watch.outside(address) == watch.errors == []
    for check in (site.MATH, site.IMAGES, site.FOLDED, site.OVERFLOW):
        assert page.evaluate(check) == []
    assert site.contrast(page, "light") == site.axe(page) == site.overflow(page) == []


def test_outside_script_is_caught(planted):
    # another port of this machine counts as outside, so the test itself asks nothing of anyone
    _, watch, address = planted('<script src="http://127.0.0.1:9/a.js"></script>')
    assert watch.outside(address) == ["http://127.0.0.1:9/a.js"]


def test_console_error_and_lost_file_are_caught(planted):
    _, watch, _ = planted('<script>console.error("ours")</script><script src="no.js"></script>')
    assert any("ours" in error for error in watch.errors)
    assert any("status 404" in error for error in watch.errors)


def test_script_that_throws_is_caught(planted):
    _, watch, _ = planted("<script>throw new Error('boom')</script>")
    assert any("boom" in error for error in watch.errors)


@pytest.mark.parametrize("body, problem", [
    ('<img src="data:,">', "no alt text"),
    ('<img src="data:," alt="../_images/plot.png">', "a file name"),
    ('<img src="lost.png" alt="a plot">', "does not load"),
    ('<svg class="vb-figure"></svg>', "without role or label"),
    ('<p id="a">1</p><p id="a">2</p>', "two elements"),
])  # fmt: skip
def test_faulty_picture_is_caught(planted, body, problem):
    page, _, _ = planted(body)
    assert any(problem in found for found in page.evaluate(site.IMAGES))


@pytest.mark.parametrize("body, problem", [
    (r'<p><span class="math">\(x^2\)</span></p>', "not typeset"),
    ('<mjx-merror data-mjx-error="Undefined control sequence">x</mjx-merror>', "TeX error"),
    (r"<p>the mean \mu is</p>", "raw TeX"),
    ("<p>the mean $x$ is</p>", "raw TeX"),
])  # fmt: skip
def test_raw_mathematics_is_caught(planted, body, problem):
    page, _, _ = planted(body)
    assert any(problem in found for found in page.evaluate(site.MATH))


@pytest.mark.parametrize("body", [
    '<div class="solution dropdown admonition">answer</div>',
    '<details class="vb-long" open><summary>s</summary>output</details>',
])  # fmt: skip
def test_open_solution_is_caught(planted, body):
    page, _, _ = planted(body)
    assert page.evaluate(site.FOLDED) != []


def test_too_wide_element_is_caught(planted):
    page, _, _ = planted('<div style="width: 600px">wide</div>')
    assert "600" in site.overflow(page)[0] or "px on a screen" in site.overflow(page)[0]


def test_formula_that_leaves_its_paragraph_is_caught(planted):
    formula = '<mjx-container style="display: inline-block; width: 600px">a = b</mjx-container>'
    page, _, _ = planted(f'<article style="overflow: hidden"><p>{formula}</p></article>')
    assert site.overflow(page) == ["formula cut off: a = b"]


def test_light_text_on_a_light_output_is_caught(planted):
    body = ('<div class="cell_output"><div class="text_html" '
            'style="background: #ced6dd; color: #dce1e7">pale</div></div>')  # fmt: skip
    page, _, _ = planted(body, theme="dark")
    assert "contrast 1" in site.contrast(page, "dark")[0]


@pytest.mark.parametrize(
    "body",
    [
        '<div class="highlight"><pre><span style="color: #222a33">pale</span></pre></div>',
        '<article><fieldset><legend style="color: #222a33">pale</legend></fieldset></article>',
        '<article><label style="color: #222a33">pale</label></article>',
    ],
    ids=["code", "legend", "label"],
)
def test_dark_code_and_quizzes_on_a_dark_page_are_caught(planted, body):
    """Of highlighted code axe is not asked: this walk is its only judge."""
    page, _, _ = planted(body, theme="dark")
    assert "contrast 1" in site.contrast(page, "dark")[0]


def test_inaccessible_button_is_caught(planted):
    page, _, _ = planted("<button></button>")
    assert any(found.startswith("button-name") for found in site.axe(page))


def test_broken_links_are_caught(tmp_path):
    (tmp_path / "b.html").write_text('<p id="here">b</p>')
    page = tmp_path / "a.html"
    page.write_text('<a href="b.html#here">1</a><a href="b.html#gone">2</a><a href="c.html">3</a>'
                    '<a href="https://example.org/">4</a><a href="../a.html">5</a>')  # fmt: skip
    assert site.broken_links(page, tmp_path) == [
        "no such anchor: b.html#gone", "no such file: c.html", "no such file: ../a.html",
    ]  # fmt: skip


def test_missing_page_is_caught(tmp_path):
    (tmp_path / "_toc.yml").write_text("root: a\nparts:\n- chapters:\n  - file: b\n  - file: c\n")
    for page in "ab":
        (tmp_path / "_build" / "html").mkdir(parents=True, exist_ok=True)
        (tmp_path / "_build" / "html" / f"{page}.html").touch()
    assert check_site.missing_pages(tmp_path) == ["c"]
