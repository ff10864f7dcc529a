"""The appendix of claims: every row has its cell, every cell its row, and the numbers agree.

A cell that demonstrates a claim carries the tag claim-NAME, and the row of book/claims.md that
speaks of it is named row-NAME. The demonstration is that cell and the code cells right after it.
"""

import ast
import importlib
import re
import sys
from pathlib import Path

import pytest
from docutils import nodes
from docutils.frontend import get_default_settings
from docutils.utils import new_document
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "tools"))

from nb_text import notebook_files, read_notebook  # noqa: E402

PAGE = ROOT / "book" / "claims.md"
ROW = re.compile(r"(?m)^\[(.*)\]\{#row-([\w-]+)\}\n((?:: .*\n?)*)")
LINK = re.compile(r"\{ref\}`chapter (\d+), section (\d+) <claim-([\w-]+)>`")
BY_SOURCE = "Checked by the source, not by a run"
MATH, ROLE = re.compile(r"\$[^$]*\$"), re.compile(r"\{\w+\}`[^`]*`|\bchapter \d+")
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


def demonstrations(notebooks):
    """[(name, chapter, section, code cells)]: one for each tag; the tagged cell comes first."""
    found = []
    for stem, nb in notebooks.items():
        section = 0
        for i, cell in enumerate(nb.cells):
            if cell.cell_type == "markdown":
                headings = re.findall(r"(?m)^## (\d+)\.", cell.source)
                section = int(headings[-1]) if headings else section
            run = [cell]
            for after in nb.cells[i + 1 :]:
                if after.cell_type != "code":
                    break
                run.append(after)
            for tag in cell.metadata.get("tags", []):
                if tag.startswith("claim-"):
                    name = tag.removeprefix("claim-")
                    found.append((name, int(stem[:2]), section, run))
    return found


def asserts(cell):
    """Whether a code cell holds an assert statement, or calls a function named assert_..."""
    if cell.cell_type != "code":
        return False
    for node in ast.walk(ast.parse(cell.source)):
        called = getattr(getattr(node, "func", None), "attr", "")
        if isinstance(node, ast.Assert) or called.startswith("assert_"):
            return True
    return False


def numbers_in(cells):
    """The numbers that code cells contain or print, the same on every machine, as absolutes."""
    found = []
    for cell in cells:
        constants = [n.value for n in ast.walk(ast.parse(cell.source)) if hasattr(n, "value")]
        found += [abs(v) for v in constants if type(v) in (int, float)]
        if "nbval-ignore-output" not in cell.metadata.get("tags", []):
            printed = "".join(output.get("text", "") for output in cell.outputs)
            found += [float(text.replace(",", "")) for text in NUMBER.findall(printed)]
    return found


def numbers_stated(text):
    """The numbers of a row's prose, as written; those in formulas do not count."""
    text = ROLE.sub("", MATH.sub("", text))
    return [number.rstrip(",").replace(",", "") for number in NUMBER.findall(text)]


def stands_in(stated, numbers):
    digits = len(stated.partition(".")[2])
    return any(f"{value:.{digits}f}" == stated for value in numbers)


def findings(page, notebooks):
    """What is wrong with the page, or with the cells that demonstrate it."""
    rows, shown = ROW.findall(page), demonstrations(notebooks)
    names, tags = [name for _, name, _ in rows], [name for name, *_ in shown]
    found = [
        f"{name}: has {names.count(name)} rows" for name in set(names) if names.count(name) > 1
    ]
    found += [
        f"{name}: tags {tags.count(name)} cells" for name in set(tags) if tags.count(name) > 1
    ]
    found += [f"{name}: a cell carries its tag, but no row" for name in sorted({*tags} - {*names})]
    if page.count("{#row-") != len(rows):
        found.append("a row is not written as [claim]{#row-name}, then lines that begin with ': '")
    places = {name: place for name, *place in shown}
    for claim, name, text in rows:
        parts = text.strip("\n").removeprefix(": ").split("\n: ")
        found += [f"{name}: {fault}" for fault in row_faults(claim, name, parts, places.get(name))]
    for name, _, _, cells in shown:
        if not any(asserts(cell) for cell in cells[:2]):
            found.append(f"{name}: neither its cell nor the next one asserts anything")
    return found


def row_faults(claim, name, parts, place):
    """What is wrong with one row; place: (chapter, section, cells) of its cell, if there is one."""
    if len(parts) != 2 or not all(map(str.strip, parts)):
        return ["needs two parts: what holds, and the source with the cell"]
    holds, source = parts
    faults = [] if claim.startswith('"') else ["quote the claim as it is met"]
    if not re.match(r"Source: .*(\{cite\}|\{eq\})`", source):
        faults.append("names no source")
    if BY_SOURCE in source:
        return faults + ["is checked by its source, but has a cell"] * (place is not None)
    links = LINK.findall(source)
    if [link[2] for link in links] != [name]:
        return [*faults, f"needs one link to <claim-{name}>, in the form of the others"]
    if place is None:
        return [*faults, f"no cell carries the tag claim-{name}"]
    chapter, section, cells = place
    if links[0][:2] != (str(chapter), str(section)):
        faults.append(f"its cell stands in chapter {chapter}, section {section}")
    if re.search(r"\d\.\d|\d\d", " ".join(MATH.findall(holds))):
        faults.append("a number in a formula is not compared: write it as text")
    known = numbers_in(cells)
    stated = [number for number in numbers_stated(holds) if not stands_in(number, known)]
    return faults + [f"{number} does not stand in its cell" for number in stated]


# -- the book -------------------------------------------------------------------------------------

NOTEBOOKS = {path.stem: read_notebook(path) for path in notebook_files(ROOT)}


def test_every_row_agrees_with_its_cell():
    assert findings(PAGE.read_text(encoding="utf-8"), NOTEBOOKS) == []


def test_the_names_are_those_of_the_source():
    entries = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    authors = dict(re.findall(r"@\w+\{(\w+),\s+author\s*= \{(.*)\}", entries))
    assert authors["kingma2014auto"] == "Kingma, Diederik P. and Welling, Max"
    rezende = "Rezende, Danilo Jimenez and Mohamed, Shakir and Wierstra, Daan"
    assert authors["rezende2014stochastic"] == rezende


def test_the_wrong_name_stands_on_no_other_page():
    texts = {stem: "\n".join(c.source for c in nb.cells) for stem, nb in NOTEBOOKS.items()}
    for path in sorted((ROOT / "book").glob("*.md")):
        texts[path.stem] = path.read_text(encoding="utf-8")
    said = [stem for stem, text in texts.items() if re.search(r"Diederik,? et al", text)]
    assert said == [PAGE.stem]


def test_a_tagged_cell_can_be_linked_to(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "book" / "_ext")
    transform = importlib.import_module("claim_cells").NameClaimCells
    document = new_document("a page", get_default_settings())
    document += [nodes.container(cell_metadata={"tags": tags}) for tags in ([], ["claim-a", "b"])]
    transform(document).apply()
    assert [cell["ids"] for cell in document] == [[], ["claim-a"]]
    assert document.nametypes["claim-a"] and document.nameids["claim-a"] == "claim-a"


# -- the checks themselves: plant a fault, see it caught ----------------------------------------

SMALL_PAGE = """# Claims

["Half is $\\frac12$ of $x$"]{#row-half}
: Half of 3 is 1.5, of 2,000 exactly 1,000 (chapter 9 says more).
: Source: {cite}`euclid`. Shown in {ref}`chapter 1, section 2 <claim-half>`.

["Rene et al."]{#row-name}
: Descartes, in 1637.
: Source: {cite}`descartes`. Checked by the source, not by a run.
"""


def small_book(source="print(3 / 2)", printed="1.5\n", check="assert 2_000 / 2 == 1e3", tags=()):
    cell = new_code_cell(source, metadata={"tags": ["claim-half", *tags]})
    cell.outputs = [new_output("stream", text=printed)]
    cells = [new_markdown_cell("# 1. One\n\n## 1. A\n\n## 2. B"), cell, new_code_cell(check)]
    return {"01_one": new_notebook(cells=[*cells, new_markdown_cell("## 3. C")])}


def test_a_sound_row_has_no_findings():
    assert findings(SMALL_PAGE, small_book()) == []


@pytest.mark.parametrize("old, new, finding", [
    ("is 1.5", "is 1.6", "half: 1.6 does not stand"),
    ("1,000", "1,001", "half: 1001 does not stand"),
    ("is 1.5", "is $1.5$", "a number in a formula"),
    ('["Half is $\\frac12$ of $x$"]{#row-half}\n', "", "carries its tag, but no row"),
    ("row-half", "row-third", "no row"),
    ("row-name", "row-half", "half: has 2 rows"),
    ("(chapter 9 says more).\n:", "(chapter 9 says more).", "needs two parts"),
    (": Half of 3 is 1.5, of 2,000 exactly 1,000 (chapter 9 says more).\n", "", "needs two parts"),
    ("Source: {cite}`euclid`.", "Source: well known.", "names no source"),
    ("<claim-half>", "<claim-other>", "needs one link"),
    ("Shown in {ref}`chapter 1, section 2 <claim-half>`.", "", "needs one link"),
    ("section 2", "section 3", "stands in chapter 1, section 2"),
    ('"Half', "Half", "quote the claim"),
    (", not by a run", "", "needs one link"),
    ("]{#row-half}\n:", "]{#row-half} and\n:", "is not written as"),
])  # fmt: skip
def test_a_faulty_row_is_caught(old, new, finding):
    assert SMALL_PAGE.count(old) == 1
    found = findings(SMALL_PAGE.replace(old, new), small_book())
    assert any(finding in line for line in found), found


@pytest.mark.parametrize("fault, finding", [
    (dict(printed="1.4\n"), "1.5 does not stand"),
    (dict(tags=["nbval-ignore-output"]), "1.5 does not stand"),
    (dict(check="2_000 / 2 == 1e3"), "asserts anything"),
    (dict(check="assert 2_000 / 2 == 1e4"), "1000 does not stand"),
    (dict(tags=["claim-name"]), "name: is checked by its source, but has a cell"),
    (dict(tags=["claim-whole"]), "whole: a cell carries its tag, but no row"),
])  # fmt: skip
def test_a_faulty_cell_is_caught(fault, finding):
    found = findings(SMALL_PAGE, small_book(**fault))
    assert any(finding in line for line in found), found


def test_a_tag_on_two_cells_is_caught():
    found = findings(SMALL_PAGE, small_book() | {"02_two": small_book()["01_one"]})
    assert "half: tags 2 cells" in found


def test_a_removed_tag_is_caught():
    book = small_book()
    book["01_one"].cells[1].metadata.tags = []
    assert findings(SMALL_PAGE, book) == ["half: no cell carries the tag claim-half"]


def test_text_between_ends_a_demonstration():
    book = small_book()
    book["01_one"].cells.insert(2, new_markdown_cell("And so"))
    found = findings(SMALL_PAGE, book)
    assert "half: neither its cell nor the next one asserts anything" in found
    assert "half: 1000 does not stand in its cell" in found
