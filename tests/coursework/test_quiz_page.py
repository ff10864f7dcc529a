"""Quizzes as pages: what the directive writes, and how it behaves in a browser.

A small book is built with the extension, the theme and the styles of the real one.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import site_tools as site

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html"
CHAPTERS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
CONF = f"""
import sys
sys.path.insert(0, {str(ROOT / "book/_ext")!r})
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "vae_book"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
html_theme, html_title, language = "sphinx_book_theme", "Small book", "en"
html_favicon = {str(ROOT / "book/_static/favicon.svg")!r}
html_static_path = [{str(ROOT / "book/_static")!r}]
html_css_files, html_js_files = ["custom.css"], ["access.js"]
html_context = {{"default_mode": "auto"}}
mathjax_path = "mathjax/tex-chtml-full.js"
"""
INDEX = r"""# Small book

See [the first](#quiz-01-scale), {ref}`the second <quiz-01-mean>` and {doc}`other`.

```{quiz} What does $\beta = 2$ do?
:label: quiz-01-scale

- [ ] It doubles the learning rate.

  No: Adam does not notice.
- [x] It charges every nat of the rate $R$ twice.

  Yes: the objective is $D + 2 R$, and of $J$ latents the rate is
  $R = \tfrac12 \sum_j (\mu_j^2 + \sigma_j^2 - 1 - \log \sigma_j^2) + 0 + 0 + 0 + 0$ nats.
- [ ] It makes the prior narrower.

  No: the prior stays $\mathcal N(0, I)$.
```

~~~{quiz} What is `kl.mean()` of a tensor of shape $(B, J)$?
:label: quiz-01-mean

- [x] Too small by the factor *J*.

  ```python
  kl.sum(dim=1).mean()
  ```
- [ ] Right, since `mean` is linear.

  No: a factor stays a factor.
~~~

```{toctree}
other
```
"""
OTHER = "# Other\n\nSee [the first](#quiz-01-scale).\n"
FAULTY = """# Faulty

```{quiz} Why?
:label: quiz-01-why

- [x] A

  Yes: because.
- [x] B

  Yes: because.
```

Text.

```{quiz}
:label: quiz-01-none
```

```{quiz} Where?
:label: quiz-01-where

- [x] Here.

  It is *here*.

  And {ref}`nowhere <no-such-place>`.
- [ ] There.

  It is here.
```
"""


def build(source, target, builder, *options):
    """Run Sphinx in a process of its own: (exit status, warnings)."""
    command = [sys.executable, "-m", "sphinx", "-q", "-n", "-b", builder, *options]
    run = subprocess.run([*command, source, target], capture_output=True, text=True)
    return run.returncode, run.stderr


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """The sources of the small book."""
    folder = tmp_path_factory.mktemp("small")
    for name, text in {"conf.py": CONF, "index.md": INDEX, "other.md": OTHER}.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def built(book, tmp_path_factory):
    target = tmp_path_factory.mktemp("html")
    assert build(book, target, "html", "-W") == (0, "")
    return target


# ---- what is written ----


def test_quiz_is_a_group_of_native_buttons(built):
    page = (built / "index.html").read_text(encoding="utf-8")
    quiz = re.search(r'<fieldset class="vb-quiz" id="quiz-01-mean">(.*?)</fieldset>', page, re.S)[1]
    assert re.match(r'<legend class="vb-quiz-question">What is <code.*?</legend>', quiz, re.S)
    assert re.findall(r'<input [^>]*name="([\w-]+)" type="radio">', quiz) == 2 * ["quiz-01-mean"]
    assert quiz.count('<input autocomplete="off"') == 2  # Firefox keeps choices over a reload
    ids = ["quiz-01-mean-1", "quiz-01-mean-2"]
    assert re.findall(r'<input [^>]*id="([\w-]+)"', quiz) == ids
    assert re.findall(r'<label for="([\w-]+)">', quiz) == ids
    assert quiz.count("vb-quiz-right") == 1 and "highlight-python" in quiz
    assert re.findall(r"<strong[^>]*>(.*?)</strong>", quiz) == ["Right.", "Not quite."]


def test_quiz_can_be_linked_to(built):
    assert site.broken_links(built / "index.html", built) == []
    assert 'href="#quiz-01-scale"' in (built / "index.html").read_text(encoding="utf-8")
    assert 'href="index.html#quiz-01-scale"' in (built / "other.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("builder, file", [
    ("singlehtml", "index.html"), ("text", "index.txt"), ("latex", "*.tex"),
])  # fmt: skip
def test_every_builder_writes_the_whole_quiz(book, tmp_path, builder, file):
    assert build(book, tmp_path, builder, "-W") == (0, "")
    text = next(tmp_path.glob(file)).read_text(encoding="utf-8")
    wanted = ("It doubles the learning rate.", "Adam does not notice.", "Right.", "Not quite.")
    assert [words for words in wanted if words not in text] == []
    assert ('id="quiz-01-scale"' in text) == (builder == "singlehtml")


def test_faulty_quiz_is_a_warning_with_its_place(tmp_path):
    (tmp_path / "conf.py").write_text(CONF, encoding="utf-8")
    (tmp_path / "index.md").write_text(FAULTY, encoding="utf-8")
    status, warnings = build(tmp_path, tmp_path / "out", "html", "-W", "--keep-going")
    assert status == 1
    found = re.findall(r"index\.md:(\d+): WARNING: (.*)", warnings)
    assert found == [
        ("3", "quiz 'quiz-01-why': 2 options are marked right with [x], expected exactly one."),
        ("16", "quiz 'quiz-01-none': it has no question: write it on the first line, "
               "after {quiz}."),
        ("27", "undefined label: 'no-such-place'"),
    ]  # fmt: skip


# ---- how it behaves ----


@pytest.fixture
def open_page(browser, built):
    """Open the small book's page in a context with the given settings."""
    contexts = []
    with site.serve(built) as address:

        def go(**settings):
            settings = {"viewport": {"width": 1200, "height": 900}, **settings}
            contexts.append(browser.new_context(color_scheme="light", **settings))
            page = contexts[-1].new_page()
            page.watch, page.home = site.Watch(page), address
            page.goto(f"{address}/index.html", wait_until="load")
            site.settle(page)
            return page

        yield go
        for context in contexts:
            context.close()


SHOWN = """name => [...document.querySelectorAll(`#${name} .vb-quiz-why`)]
  .map(x => getComputedStyle(x).visibility === "visible" && x.offsetHeight > 0)"""


def shown(page, name="quiz-01-scale"):
    """Which explanations of a quiz can be seen."""
    return page.evaluate(SHOWN, name)


@pytest.mark.parametrize("script", [True, False])
def test_explanation_follows_the_choice(open_page, script):
    page = open_page(java_script_enabled=script)
    assert shown(page) == [False, False, False]
    page.get_by_label("It doubles the learning rate.").check()
    assert shown(page) == [True, False, False]
    page.get_by_text("It charges every nat").click()
    assert shown(page) == [False, True, False]
    assert shown(page, "quiz-01-mean") == [False, False]


def test_formula_in_an_option_can_be_clicked(open_page):
    page = open_page()
    page.locator("label[for=quiz-01-scale-2] mjx-container").click()
    assert shown(page) == [False, True, False]


def test_keyboard_reaches_every_option(open_page):
    page = open_page()
    page.locator("article a", has_text="Other").first.focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "quiz-01-scale-1"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    assert shown(page) == [False, False, False]
    page.keyboard.press("Space")
    assert shown(page) == [True, False, False]
    page.keyboard.press("ArrowDown")
    assert shown(page) == [False, True, False]
    after = []
    for _ in range(3):  # a wide formula in the explanation can be a stop of its own
        page.keyboard.press("Tab")
        after.append(page.evaluate("document.activeElement.id"))
    assert "quiz-01-mean-1" in after
    assert not {"quiz-01-scale-1", "quiz-01-scale-3"} & set(after)


def test_screen_reader_hears_what_is_seen(open_page):
    """The region that announces stands before the choice; the words join it with the choice."""
    page = open_page()
    quiz = page.get_by_role("group", name="What does β = 2 do?")
    assert "Adam" not in quiz.aria_snapshot() and "Not quite" not in quiz.aria_snapshot()
    assert quiz.get_by_role("radio").count() == 3
    page.get_by_label("It doubles the learning rate.").check()
    assert "Not quite." in quiz.aria_snapshot() and "Adam" in quiz.aria_snapshot()
    region = quiz.get_by_text("Adam does not notice.").locator("xpath=ancestor::*[@aria-live]")
    assert region.get_attribute("aria-live") == "polite"
    assert region.evaluate("x => getComputedStyle(x).visibility") == "visible"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_chosen_answers_are_legible_and_accessible(open_page, scheme):
    page = open_page()
    for option in ("It doubles the learning rate.", "Too small by the factor J."):
        page.get_by_label(option).check()
    assert site.contrast(page, scheme) == []
    assert site.axe(page) == []
    assert site.overflow(page) == []
    page.get_by_text("It charges every nat").click()
    assert site.overflow(page) == []


def test_high_contrast_keeps_words_and_borders(open_page):
    page = open_page(forced_colors="active")
    page.get_by_label("It doubles the learning rate.").check()
    assert page.get_by_text("Not quite.").first.is_visible()
    look = "getComputedStyle(document.querySelector('{}')).{}"
    assert page.evaluate(look.format(".vb-quiz", "borderTopStyle")) == "solid"
    assert page.evaluate(look.format(".vb-quiz-option > input", "appearance")) != "none"


def test_print_shows_everything_and_marks_the_right_option(open_page):
    page = open_page()
    page.emulate_media(media="print")
    assert shown(page) == [True, True, True]
    marks = page.eval_on_selector_all(
        "#quiz-01-scale .vb-quiz-option",
        "rows => rows.map(x => getComputedStyle(x, '::before').content)",
    )
    assert marks == ['"○"', '"✓"', '"○"']
    assert not page.locator("#quiz-01-scale input").first.is_visible()


def test_choice_is_neither_sent_nor_stored(open_page):
    page = open_page()
    state = "() => JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
    before, asked = page.evaluate(state), len(page.watch.requests)
    page.get_by_label("It doubles the learning rate.").check()
    page.wait_for_timeout(200)
    assert page.evaluate(state) == before and len(page.watch.requests) == asked
    assert page.watch.outside(page.home) == page.watch.errors == []
    page.reload()
    assert shown(page) == [False, False, False]


# ---- the real book; test_site.py looks at its pages ----


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_every_quiz_of_a_chapter_is_on_its_page(path):
    page = HTML / "notebooks" / f"{path.stem}.html"
    if not page.is_file():
        pytest.fail(f"{page.name} is not built: run make book")
    wanted = re.findall(r":label: (quiz-[\w-]+)", path.read_text(encoding="utf-8"))
    found = re.findall(r'<fieldset class="vb-quiz" id="([\w-]+)"', page.read_text(encoding="utf-8"))
    assert found == wanted and wanted
