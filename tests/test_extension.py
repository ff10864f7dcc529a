"""The book's Sphinx extension: drawings keep to themselves, docstrings are plain text."""

import importlib
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

EXTENSION = Path(__file__).resolve().parents[1] / "book" / "_ext"

DRAWING = """<svg xmlns="http://www.w3.org/2000/svg" width="320px" height="100px">
<title>A tooltip</title>
<style>.a, text { fill: #abc } @media print { svg { color: red } } .b { fill: url(#tip) }</style>
<defs><marker id="tip"><path d="M0 0"/></marker></defs>
<path class="a" marker-end="url(#tip)" stroke="#add"/><use href="#tip"/>
</svg>"""


@pytest.fixture
def extension(monkeypatch):
    monkeypatch.syspath_prepend(EXTENSION)
    return importlib.import_module("vae_book")


@pytest.fixture
def drawn(extension):
    return extension.inline_svg(DRAWING, "vb-figure-2", 'say "two" & more')


def test_drawing_is_an_image_with_a_label(drawn):
    root = ET.fromstring(drawn)
    assert root.get("role") == "img"
    assert root.get("aria-label") == 'say "two" & more'
    assert root.get("viewBox") == "0 0 320 100"
    assert "tooltip" not in drawn


def test_every_id_and_every_use_of_it_is_renamed(drawn):
    assert re.findall(r'id="([^"]*)"', drawn) == ["vb-figure-2", "vb-figure-2-tip"]
    assert drawn.count("url(#vb-figure-2-tip)") == 2
    assert 'href="#vb-figure-2-tip"' in drawn
    assert "#abc" in drawn and 'stroke="#add"' in drawn  # colours are no ids


def test_styles_stay_inside_the_drawing(drawn):
    style = re.search(r"<style>(.*)</style>", drawn)[1]
    assert "#vb-figure-2 .a, #vb-figure-2 text {" in style
    assert "@media print {#vb-figure-2 {" in style
    assert "#vb-figure-2 .b {" in style


@pytest.mark.parametrize(
    "text, lines",
    [
        ("KL of *q_ to |p|, `x`.", [r"\ KL of \*q\_ to \|p\|, ``x``\ .", ""]),
        ("- no list\nand on", [r"\ - no list and on", ""]),
        ("mu: (B, J)\n  more", ["::", "", "    mu: (B, J)", "      more", ""]),
        ("shapes::", [r"\ shapes:\:", ""]),
    ],
)
def test_docstring_loses_its_marks_and_keeps_its_words(extension, text, lines):
    given = text.split("\n")
    extension.plain_docstring(None, "function", "f", None, None, given)
    assert given == lines


def test_numbers_begin_with_the_chapter(extension):
    numbers = {
        "notebooks/08_vae": {"displaymath": {"b": (3,), "a": (2,)}, "figure": {"c": (7,)}},
        "book/notation": {"displaymath": {"d": (1,)}},
    }

    class Environment:
        toc_fignumbers = numbers

    extension.number_by_chapter(None, Environment)
    assert numbers["notebooks/08_vae"] == {
        "displaymath": {"a": (8, 1), "b": (8, 2)},
        "figure": {"c": (8, 1)},
    }
    assert numbers["book/notation"] == {"displaymath": {"d": (1,)}}


def test_class_without_an_init_of_its_own_shows_no_arguments(extension):
    assert extension.plain_signature(None, "class", "", None, None, "(*args: Any)", None)[0] == "()"
    assert extension.plain_signature(None, "class", "", None, None, "(sigma)", None)[0] == "(sigma)"
