"""The notebooks pass every static check, and each check catches the fault it is there for."""

import ast
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "tools"))

import nb_checks  # noqa: E402
from address import place_setup_cell  # noqa: E402
from nb_normalise import normalise  # noqa: E402
from nb_run import CellFailed, execute  # noqa: E402
from nb_source import canonical, imported_modules, module_file, used_modules  # noqa: E402
from nb_stamp import make_stamp, sha256, stamp, stamp_findings  # noqa: E402
from nb_text import dump_notebook, from_text, notebook_files, read_notebook, to_text  # noqa: E402

import notebooks as tool  # noqa: E402

REAL = notebook_files(ROOT)
PNG, OTHER_PNG = "iVBORw0KGgoAAAANSUhEUgAA\n", "iVBORw0KGgoAAAANSUhEUgBB\n"
FIGURE = {
    "image": {"alt": "a straight line that rises from 1 to 2"},
    "figure": {"caption": "A line."},
}
LIBRARY = {
    "__init__.py": """
        from .densities import sample_twice, spread
        from .nets import Net
        __all__ = ["Net", "sample_twice", "spread"]
        """,
    "densities.py": '''
        """Densities."""
        from .numbers import half

        def spread(logvar):
            """The standard deviation."""
            return 2.718281828 ** (half() * logvar)  # sigma

        def sample_twice(mu: float) -> tuple:
            return mu, mu
        ''',
    "numbers.py": '''
        def half():
            """One half."""
            return 0.5
        ''',
    "nets.py": """
        class Net:
            width = 3
        """,
    "runs.py": "def load_run(name):\n    return name\n",
}
LIB_CELL = """\
# lib: vae_lib.densities:spread
from vae_lib.numbers import half


def spread(logvar):
    # half of a log-variance is a log standard deviation
    return 2.718281828 ** (half() * logvar)"""


# -- a small book in which nothing is wrong -------------------------------------------------------


@pytest.fixture
def book(tmp_path):
    """A folder with an address, a small library and one notebook without a fault."""
    (tmp_path / "_config.yml").write_text("repository:\n  url: https://github.com/o/r\n")
    assets = tmp_path / "vae_lib" / "assets"
    assets.mkdir(parents=True)
    for name, source in LIBRARY.items():
        (tmp_path / "vae_lib" / name).write_text(textwrap.dedent(source))
    (assets / "small.safetensors").write_bytes(b"weights")
    write(good_notebook(tmp_path), tmp_path)
    return tmp_path


def good_notebook(root):
    """A notebook as if executed; cells: title, set-up, lib, proof, picture, artifact, text."""
    picture = new_output("display_data", {"image/png": PNG, "text/plain": "<Figure>"})
    nb = new_notebook(
        cells=[
            new_markdown_cell("(ch)=\n# A chapter\n\nIt says $3! = 6$ and `a != b`."),
            new_code_cell(LIB_CELL),
            new_code_cell("import vae_lib.densities as reference\n\nassert spread(0.0) == 1"),
            new_code_cell("plot([1, 2])", metadata={"mystnb": FIGURE}, outputs=[picture]),
            new_code_cell('from vae_lib.runs import load_run\n\nrun = load_run("small")'),
            new_code_cell("print(2.5)", outputs=[new_output("stream", text="2.5\n")]),
            new_markdown_cell("## A section\n\n![a drawn line](line.svg)"),
        ]
    )
    place_setup_cell(nb, root)
    counted(nb)
    return nb


def counted(nb):
    for count, cell in enumerate((c for c in nb.cells if c.cell_type == "code"), 1):
        cell.execution_count = count


def write(nb, root, fresh=True):
    """Write the notebook; fresh: with the stamp that executing it now would give."""
    path = root / "notebooks" / "01_a.ipynb"
    path.parent.mkdir(exist_ok=True)
    nb = normalise(nb, root)
    path.write_bytes(dump_notebook(stamp(nb, root) if fresh else nb))
    return path


def findings(root):
    return nb_checks.findings(root / "notebooks" / "01_a.ipynb", root)


def planted(root, plant, fresh=True):
    """The findings after `plant` has changed the notebook."""
    path = root / "notebooks" / "01_a.ipynb"
    nb = read_notebook(path)
    plant(nb)
    write(nb, root, fresh)
    return findings(root)


def edit_library(root, name, old, new):
    path = root / "vae_lib" / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def only(found, expected):
    """Whether something was found, and nothing but `expected`."""
    return bool(found) and all(expected in finding for finding in found)


# -- the book's own notebooks ---------------------------------------------------------------------


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_notebook_has_no_findings(path):
    assert nb_checks.findings(path, ROOT) == []


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_notebook_is_in_its_one_form(path):
    nb = read_notebook(path)
    # compared outside the assert: pytest would take minutes to show how two notebooks differ
    in_one_form = path.read_bytes() == dump_notebook(normalise(nb, ROOT))
    survives_text = to_text(from_text(to_text(nb))) == to_text(nb)
    assert in_one_form, "run `notebooks.py update --prose`, which normalises"
    assert survives_text


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_faults_in_the_real_notebook_are_seen(path, tmp_path):
    nb = read_notebook(path)
    modules = sorted(make_stamp(nb, ROOT)["modules"])
    for name in ("_config.yml", "vae_lib"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    if modules:
        module = module_file(modules[0], tmp_path / "vae_lib")
        module.write_text(module.read_text() + "\n\nADDED = 1\n")
        expected = f"module {modules[0]} changed"
        assert any(expected in finding for finding in nb_checks.findings(path, tmp_path))
    outputs = [output for c in nb.cells for output in c.get("outputs", []) if "data" in output]
    pictures = [output.data for output in outputs if "image/png" in output.data]
    if pictures:
        pictures[0]["image/png"] = PNG
        write(nb, tmp_path, fresh=False)
        assert any("stored outputs changed" in finding for finding in findings(tmp_path))


# -- stamps ---------------------------------------------------------------------------------------


def test_the_small_book_has_no_findings(book):
    assert findings(book) == []


def test_a_swapped_picture_is_seen(book):
    def swap(nb):
        nb.cells[4].outputs[0].data["image/png"] = OTHER_PNG

    assert only(planted(book, swap, fresh=False), "stored outputs changed")


def test_an_edited_number_is_seen(book):
    def edit(nb):
        nb.cells[6].outputs[0].text = "3.5\n"

    assert only(planted(book, edit, fresh=False), "stored outputs changed")


def test_edited_code_is_seen(book):
    def edit(nb):
        nb.cells[6].source = "print(2.50)"

    assert only(planted(book, edit, fresh=False), "stored code changed")


def test_a_missing_stamp_is_seen(book):
    def remove(nb):
        del nb.metadata["vae_book"]

    assert only(planted(book, remove, fresh=False), "has no stamp")


@pytest.mark.parametrize("name, old, new", [("densities.py", "mu, mu", "mu, -mu")])
def test_a_library_edit_without_executing_is_seen(book, name, old, new):
    edit_library(book, name, old, new)
    assert only(findings(book), "module vae_lib.densities changed")


def test_an_edit_of_a_module_that_is_used_through_another_is_seen(book):
    edit_library(book, "numbers.py", "0.5", "1.0")
    assert only(findings(book), "module vae_lib.numbers changed")


def test_an_edit_of_an_unused_module_is_not_a_finding(book):
    edit_library(book, "nets.py", "3", "4")
    assert findings(book) == []


def test_docstrings_and_comments_of_the_library_are_free(book):
    edit_library(book, "densities.py", '"""The standard deviation."""', '"""Sigma."""')
    edit_library(book, "densities.py", "# sigma", "# the standard deviation")
    assert findings(book) == []


def test_a_changed_or_missing_artifact_is_seen(book):
    artifact = book / "vae_lib" / "assets" / "small.safetensors"
    artifact.write_bytes(b"other weights")
    assert only(findings(book), "artifact small.safetensors changed")
    artifact.unlink()
    assert any("which does not exist" in finding for finding in findings(book))


@pytest.mark.parametrize(
    "code, modules",
    [
        ("from vae_lib import spread", {"vae_lib.densities"}),
        ("from vae_lib.nets import Net", {"vae_lib.nets"}),
        ("from vae_lib import nets, spread", {"vae_lib.nets", "vae_lib.densities"}),
        ("import vae_lib.nets as n", {"vae_lib.nets"}),
        ("import vae_lib", set()),
        ("import vae_lib\nvae_lib.nets.Net", {"vae_lib.nets"}),
        ("import vae_lib as vl\nvl.spread(vl.Net.width)", {"vae_lib.nets", "vae_lib.densities"}),
        ("import vae_lib as vl\nvl.unknown", {"vae_lib"}),
        ("import vae_lib as vl\nvl.Net\ngetattr(vl, 'spread')", {"vae_lib", "vae_lib.nets"}),
        ("from vae_lib import *", {"vae_lib"}),
        ("import vae_library, torch", set()),
    ],
)
def test_imports_are_resolved_to_modules(book, code, modules):
    assert imported_modules(ast.parse(code), book / "vae_lib") == modules


def test_a_star_import_stamps_all_that_the_package_exports(book):
    nb = new_notebook(cells=[new_code_cell("from vae_lib import *")])
    names = {"vae_lib", "vae_lib.densities", "vae_lib.nets", "vae_lib.numbers"}
    assert set(make_stamp(nb, book)["modules"]) == names


def test_an_alias_is_followed_from_cell_to_cell(book):
    nb = new_notebook(cells=[new_code_cell("import vae_lib as vl"), new_code_cell("vl.Net")])
    assert set(make_stamp(nb, book)["modules"]) == {"vae_lib.nets"}


CHECKS = {
    "__init__.py": "from .engine import ask\n\ndef check(name, function):\n    return ask()\n",
    "engine.py": "from ..numbers import half\n\ndef ask():\n    return half()\n",
    "measuring.py": "WIDTH = 3\n",
    "chapter_03.py": "from . import measuring\n\nQUESTIONS = (measuring.WIDTH,)\n",
    "set_a.py": "from .engine import ask\n\nQUESTIONS = (ask,)\n",
}
ENGINE = {"vae_lib.checks", "vae_lib.checks.engine", "vae_lib.numbers"}
CHAPTER_3 = {"vae_lib.checks.chapter_03", "vae_lib.checks.measuring"}


@pytest.mark.parametrize(
    "code, modules",
    [
        ("from vae_lib.checks import check", ENGINE),
        ("from vae_lib import checks", ENGINE),
        ("import vae_lib.checks as c", ENGINE),
        ("import vae_lib as vl\nvl.checks.check", ENGINE),
        ("from vae_lib.checks import measuring", {"vae_lib.checks.measuring"}),
        ("from vae_lib.checks.chapter_03 import QUESTIONS", CHAPTER_3),
        ('from vae_lib.checks import check\ncheck("ex-03-laplace", f)', ENGINE | CHAPTER_3),
        (
            'from vae_lib.checks import check\ncheck("set-a-kl", f)',
            ENGINE | {"vae_lib.checks.set_a"},
        ),
        ('from vae_lib.checks import check\ncheck("ex-77-none", f)', ENGINE),
        ('check(name, f)\ncheck()\nother("ex-03-laplace")', set()),
    ],
)
def test_the_package_of_checks_is_followed(book, code, modules):
    """Relative imports inside a package, and the questions that `check` finds by their name."""
    add_checks(book)
    assert set(used_modules(ast.parse(code), book / "vae_lib")) == modules


def add_checks(root):
    folder = root / "vae_lib" / "checks"
    folder.mkdir()
    for name, source in CHECKS.items():
        (folder / name).write_text(source)


def test_an_edit_of_the_questions_that_a_notebook_asks_is_seen(book):
    add_checks(book)
    path = book / "notebooks" / "x.ipynb"
    source = 'from vae_lib.checks import check\n\ncheck("ex-03-laplace", abs)'
    nb = new_notebook(cells=[new_code_cell(source)])
    path.write_bytes(dump_notebook(stamp(normalise(nb, book), book)))
    assert stamp_findings(read_notebook(path), book) == []
    edit_library(book, "checks/set_a.py", "(ask,)", "(ask, ask)")
    assert stamp_findings(read_notebook(path), book) == []
    edit_library(book, "checks/chapter_03.py", "(measuring.WIDTH,)", "()")
    (found,) = stamp_findings(read_notebook(path), book)
    assert "module vae_lib.checks.chapter_03 changed" in found


def test_the_form_of_code_is_the_same_on_every_python():
    source = '''
@decorator(1, k=None)
class A(B, metaclass=M):
    "A docstring."
    x: int = 3_000

    async def f(self, a, /, b: int = 2, *c, d=..., **e) -> "A":
        """Another."""
        return f"{a!r:>{b}}{c=}" 'x' if (y := [*c, {**e}]) else (lambda: 1e-3j, "\u00e9")


match z:
    case [1, *rest] | {"k": rest} if rest:
        pass
'''
    digest = sha256(canonical(ast.parse(source)))
    assert digest == "a8ca6f88d993ddf7b52766f426fe4cd4aed3730a55800b6d8b11ae7717ee6b8c"


# -- static checks --------------------------------------------------------------------------------


def set_source(number, source):
    def plant(nb):
        nb.cells[number - 1].source = source

    return plant


def set_count(number, count):
    def plant(nb):
        nb.cells[number - 1].execution_count = count

    return plant


def set_tags(number, *tags):
    def plant(nb):
        nb.cells[number - 1].metadata["tags"] = list(tags)

    return plant


def add_output(number, output):
    def plant(nb):
        nb.cells[number - 1].outputs.append(nbformat.from_dict(output))

    return plant


def shown(kind, data):
    return new_output("display_data", {kind: data})


def add_cell(source, **metadata):
    def plant(nb):
        nb.cells.append(new_code_cell(source, metadata=metadata))
        counted(nb)

    return plant


def remove_cell(number):
    def plant(nb):
        del nb.cells[number - 1]
        counted(nb)

    return plant


def lengthen_all(nb):
    for cell in nb.cells[3:7]:
        cell.source += "\nx = 1" * 9


def figure(**changes):
    def plant(nb):
        nb.cells[4].metadata["mystnb"] = {**FIGURE, **changes}

    return plant


ERROR = new_output("error", ename="E", evalue="e", traceback=["E: e"])
WIDGET = "application/vnd.jupyter.widget-view+json"
HOME = "/" + "home/reader/data.npz"
LONG = "\n".join(f"x = {i}" for i in range(31))
FAULTS = {
    "unexecuted": (set_count(7, None), "cell 7: not executed"),
    "out of order": (set_count(7, 9), "cell 7: execution count 9, not 6"),
    "empty cell": (add_cell(""), "cell 9: empty code cell"),
    "error": (add_output(7, ERROR), "cell 7: error output"),
    "no error": (set_tags(7, "raises-exception"), "cell 7: tagged `raises-exception` but"),
    "widget": (add_output(7, shown(WIDGET, {"model_id": "a"})), "cell 7: a stored widget view"),
    "dead bar": (add_output(7, shown("text/plain", "HBox(children=(")), "a stored progress bar"),
    "dead percent": (add_output(7, shown("text/plain", "  0%|  | 0/3")), "a stored progress bar"),
    "memory": (add_output(7, shown("text/plain", "<A at 0x7f0123456789>")), "memory address"),
    "path in source": (set_source(7, f"print('{HOME}')"), "cell 7: names a path of one machine"),
    "path in output": (add_output(7, shown("text/plain", HOME)), "cell 7: names a path"),
    "path in text": (set_source(8, f"See {HOME} there."), "cell 8: names a path"),
    "stray check": (set_tags(7, "check"), "cell 7: tagged `check`, but part of no exercise"),
    "windows path": (set_source(7, r"print('C:\\data\\x')"), "cell 7: names a path"),
    "semicolon": (set_source(7, "abs(2.5);\n"), "cell 7: nbval does not see the last `;`"),
    "unknown tag": (set_tags(7, "hide_input"), "cell 7: tag 'hide_input' is not one of"),
    "long cell": (set_source(7, LONG), "cell 7: 31 lines, more than 30"),
    "long cells": (lengthen_all, "the median code cell has"),
    "no alt": (figure(image={}), "cell 5: a picture needs alt text"),
    "short alt": (figure(image={"alt": "a plot"}), "cell 5: a picture needs alt text"),
    "no caption": (figure(figure={}), "cell 5: a picture needs a caption"),
    "value beside a picture": (
        add_output(5, new_output("execute_result", {"text/plain": "[Text(0, 1, 'a')]"})),
        "cell 5: the last value shows beside the picture",
    ),
    "unlabelled equation": (
        set_source(8, "$$\na = b\n$$"),
        "cell 8: 'a = b' has no label",
    ),
    "two pictures": (add_output(5, shown("image/png", PNG)), "2 pictures share one alt text"),
    "image without alt": (set_source(8, "## S\n\n![](line.svg)"), "an image has no alt text"),
    "img without alt": (set_source(8, "## S\n\n<img src='a.svg'>"), "an <img> has no alt text"),
    "figure without alt": (
        set_source(8, "## S\n\n```{figure} a.svg\n:name: a\n\nText.\n```"),
        "a figure directive has no `:alt:` line",
    ),
    "no title": (set_source(1, "Some words."), "cell 1: the first text must start with one"),
    "two titles": (set_source(8, "# Another"), "has 2 headings of level 1"),
    "skipped level": (set_source(8, "### Deep"), "cell 8: heading level 3 follows level 1"),
    "exclamation": (set_source(8, "## S\n\nIt works!"), "cell 8: exclamation mark in prose"),
    "in a note": (set_source(8, "## S\n\n```{note}\nNice!\n```"), "exclamation mark in prose"),
    "no set-up": (remove_cell(2), "the first code cell is not the set-up cell"),
    "edited set-up": (set_source(2, "import vae_lib"), "cell 2: the set-up cell is not the gen"),
    "loud set-up": (add_output(2, new_output("stream", text="x")), "the set-up cell has outputs"),
}


@pytest.mark.parametrize("plant, expected", FAULTS.values(), ids=FAULTS)
def test_fault_is_seen(book, plant, expected):
    assert only(planted(book, plant), expected)


def test_a_large_file_is_seen(book):
    found = planted(book, add_output(7, shown("text/plain", "x" * 2_000_001)))
    assert only(found, "the file has 2.0 MB, more than 2")


@pytest.mark.parametrize(
    "text",
    [
        "Let $n!$ be and $$\nn! \\ne 0\n$$ (def-n) so.",
        "```python\nprint('!')\n```",
        "`!ls` and ![a picture](a.svg) and a != b <!-- ! -->",
        "```{figure} a.svg\n---\nalt: a drawn line\n---\nText.\n```",
        ":::{note}\nCalm.\n:::\n\n```{code-block} python\n!\n```",
        "$f: X \\to Y$ and $C:\\mathbb{R}$, see https://example.org/" + "home/x/y",
    ],
)
def test_harmless_text_is_no_finding(book, text):
    assert planted(book, set_source(8, f"## S\n\n{text}")) == []


def test_a_meant_error_is_no_finding(book):
    def plant(nb):
        set_tags(7, "raises-exception")(nb)
        nb.cells[6].outputs = [ERROR]

    assert planted(book, plant) == []


# -- drift ----------------------------------------------------------------------------------------


def test_a_drifted_definition_is_seen_with_a_diff(book):
    found = planted(book, set_source(3, LIB_CELL.replace("half() * logvar", "logvar")))
    assert only(found, "cell 3: spread differs from vae_lib.densities")
    assert "-    return 2.718281828 ** (half() * logvar)" in found[0]
    assert "+    return 2.718281828 ** logvar" in found[0]


def test_docstrings_annotations_and_comments_may_differ(book):
    source = LIB_CELL.replace("(logvar):", '(logvar: float) -> float:\n    """Sigma."""')
    assert planted(book, set_source(3, source)) == []


@pytest.mark.parametrize(
    "source, expected",
    [
        (LIB_CELL.replace(":spread", ":spread, sample_twice"), "does not define sample_twice"),
        (LIB_CELL.replace(":spread", ":width"), "vae_lib.densities defines no width"),
        (LIB_CELL.replace("densities:", "density:"), "there is no module vae_lib.density"),
        (LIB_CELL.replace("vae_lib.densities:", ""), "the marker is not of the form"),
    ],
)
def test_a_marker_that_names_nothing_is_seen(book, source, expected):
    assert any(expected in finding for finding in planted(book, set_source(3, source)))


def test_a_library_cell_without_proof_is_seen(book):
    found = planted(book, set_source(4, "spread(0.0)"))
    assert only(found, "cell 3: the next code cell must prove it with an `assert`")


def test_several_names_in_one_cell_are_compared(book):
    both = "\n\n\ndef sample_twice(mu):\n    return mu, mu"
    source = LIB_CELL.replace(":spread", ":spread, sample_twice") + both
    assert planted(book, set_source(3, source)) == []


def test_a_library_cell_must_not_redefine_what_its_marker_does_not_name(book):
    found = planted(book, set_source(3, LIB_CELL + "\n\n\ndef sample_twice(mu):\n    return mu"))
    assert only(found, "cell 3: redefines sample_twice")


REDEFINED = [
    "def spread(x): return x",
    "class Net: pass",
    "spread = abs",
    "for spread in [1]: pass",
    "with open('f') as Net: pass",
    "from math import exp as spread",
    "import math as spread",
    "from vae_lib import Net as spread",
    "%time 1\nspread, other = 1, 2",
]


@pytest.mark.parametrize("source", REDEFINED)
def test_a_redefined_public_name_is_seen(book, source):
    found = planted(book, set_source(7, source))
    assert any("cell 7: redefines " in finding for finding in found)


def test_own_work_and_local_names_are_free(book):
    own = "def solve():\n    spread = 1\n    return [Net for Net in [spread]]"
    assert planted(book, set_source(7, own)) == []
    assert planted(book, add_cell("from vae_lib import spread")) == []
    found = planted(book, add_cell("def spread(x): return x", tags=["exercise"]))
    assert only(found, "part of no exercise")  # test_layout.py has one that is


# -- text, update, run ----------------------------------------------------------------------------

TEXT = """\
# %% [markdown]
# # A chapter
#
# Math $x^2$ and "quotes".

# %% mystnb={"figure": {"caption": "A $\\\\mu$."}, "image": {"alt": "a \\"drawn\\" line"}}
import os
import sys

from vae_lib import spread

# %% tags=["raises-exception"]
1 / 0

# %%
# %time spread(0.0)
print("out")
print("bar\\r", file=sys.stderr)
print(os.path.basename(os.getcwd()), spread(0.0))
"""


def text_file(root):
    path = root / "_text" / "02_b.py"
    path.parent.mkdir()
    path.write_text(TEXT.replace("# %time spread(0.0)\n", ""))
    return path


def test_update_and_run_and_text_agree_byte_for_byte(book):
    text, path = text_file(book), book / "notebooks" / "02_b.ipynb"
    tool.update(book, ["02"])
    first = path.read_bytes()
    nb = read_notebook(path)
    assert [c.execution_count for c in nb.cells if c.cell_type == "code"] == [1, 2, 3, 4]
    assert [output.text for output in nb.cells[-1].outputs] == ["out\nnotebooks 1.0\n"]
    assert "\x1b" not in first.decode() and str(book) not in first.decode()
    tool.text(book, ["02"])
    written = text.read_text()
    assert 'mystnb={"figure": {"caption": "A $\\\\mu$."}' in written
    tool.update(book, ["02"])
    assert path.read_bytes() == first
    tool.run(book, ["02"])
    assert path.read_bytes() == first
    tool.text(book, ["02"])
    assert text.read_text() == written


def test_a_problem_set_is_named_as_a_chapter_is(book):
    """`set_a` names set_a_core, and nothing under notebooks/student counts."""
    (book / "_text").mkdir()
    for stem in ("set_a_core", "set_b_data"):
        (book / "_text" / f"{stem}.py").write_text(f"# %% [markdown]\n# # {stem}\n\n# %%\n1 + 1\n")
    tool.update(book, ["set_a"])
    assert [p.stem for p in notebook_files(book)] == ["01_a", "set_a_core"]
    (book / "notebooks" / "student").mkdir()
    shutil.copy(
        book / "notebooks" / "01_a.ipynb", book / "notebooks" / "student" / "set_a_no.ipynb"
    )
    before = (book / "notebooks" / "set_a_core.ipynb").read_bytes()
    tool.run(book, ["set_a"])
    assert (book / "notebooks" / "set_a_core.ipynb").read_bytes() == before
    assert tool.check(book, ["set_a"]) == 0
    (book / "_text" / "set_a_core.py").unlink()
    tool.text(book, ["set_a"])
    assert (book / "_text" / "set_a_core.py").read_text().endswith("1 + 1\n")
    assert [p.stem for p in notebook_files(book)] == ["01_a", "set_a_core"]


def test_a_failing_cell_writes_nothing(book):
    text = text_file(book)
    text.write_text(TEXT.replace('tags=["raises-exception"]', ""))
    with pytest.raises(CellFailed) as failure:
        tool.update(book)
    message = str(failure.value)
    assert message.startswith("02_b: cell 4 failed: ZeroDivisionError: division by zero")
    assert "1 / 0" in message
    assert [path.name for path in (book / "notebooks").iterdir()] == ["01_a.ipynb"]


def test_a_cell_that_takes_too_long_is_named(book):
    nb = new_notebook(cells=[new_code_cell("1"), new_code_cell("import time\ntime.sleep(60)")])
    with pytest.raises(CellFailed, match="x: cell 2 failed: ran out of time"):
        execute(nb, book, "x", timeout=1)


def test_prose_is_renewed_without_executing(book):
    path = book / "notebooks" / "01_a.ipynb"
    tool.text(book)
    text = book / "_text" / "01_a.py"
    text.write_text(text.read_text().replace("A section", "Another section"))
    tool.update_prose(book)
    assert "Another section" in path.read_text() and findings(book) == []
    before = path.read_bytes()
    text.write_text(text.read_text().replace("print(2.5)", "print(2.6)"))
    with pytest.raises(ValueError, match="code or library changed"):
        tool.update_prose(book)
    assert path.read_bytes() == before


def test_text_keeps_a_newer_text(book):
    tool.text(book)
    text = book / "_text" / "01_a.py"
    text.write_text(text.read_text() + "\n# %%\n3\n")
    later = (book / "notebooks" / "01_a.ipynb").stat().st_mtime + 10
    os.utime(text, (later, later))
    with pytest.raises(FileExistsError, match="is newer than the notebook and differs"):
        tool.text(book)
    tool.text(book, force=True)
    assert not text.read_text().endswith("3\n")


def test_an_unknown_name_is_an_error(book):
    for command in (tool.run, tool.text, tool.update):
        with pytest.raises(FileNotFoundError, match="starts with '77'"):
            command(book, ["77"])


def test_check_prints_findings_and_fails(book, capsys, monkeypatch):
    monkeypatch.setattr(tool, "ROOT", book)
    assert tool.main(["check"]) == 0
    planted(book, set_count(7, None))
    assert tool.main(["check"]) == 1
    assert capsys.readouterr().out == "01_a: cell 7: not executed: run `make notebooks`\n"


def test_normalising_removes_what_differs_from_run_to_run(book):
    def machine(path):
        return f"File {book}/vae_lib/nets.py:3 \x1b[31mred\x1b[0m {path}/site-packages/torch/a.py"

    nb = new_notebook(metadata={"jupytext": {"a": 1}, "widgets": {}})
    noise = {"collapsed": True, "scrolled": False, "execution": {"t": "now"}, "tags": []}
    outputs = [new_output("stream", text="a\n"), new_output("stream", text="b\n")]
    outputs += [new_output("stream", name="stderr", text="\r 0%|"), ERROR.copy()]
    outputs += [new_output("stream", name="stderr", text="\n"), outputs[0].copy()]
    outputs[3]["traceback"] = [machine("/" + "home/reader/env/lib/python3.11")]
    nb.cells = [new_code_cell("1", metadata=noise, outputs=outputs), new_code_cell("1")]
    normalise(nb, book)
    assert [o.get("text") for o in nb.cells[0].outputs] == ["a\nb\n", None, "a\n"]
    assert nb.cells[0].outputs[1].traceback == ["File vae_lib/nets.py:3 red torch/a.py"]
    assert nb.cells[0].metadata == {} and set(nb.metadata) == {"kernelspec", "language_info"}
    assert nb.cells[1].id == nb.cells[0].id + "-2"
    assert dump_notebook(normalise(nb, book)) == dump_notebook(nb)


def test_normalising_keeps_the_picture_of_a_widget_and_not_the_widget(book):
    """Stored, a widget is dead.  One without a picture stays, for the check to find."""
    widget = {"application/vnd.jupyter.widget-view+json": {"model_id": "a"}}
    bundles = [{**widget, "image/png": "aGk=", "text/plain": "sliders"}, {**widget}]
    outputs = [new_output("display_data", data=data) for data in bundles]
    nb = new_notebook(cells=[new_code_cell("1", outputs=outputs)])
    kept = [o.data.keys() for o in normalise(nb, book).cells[0].outputs]
    assert kept == [{"image/png", "text/plain"}, widget.keys()]


# -- nbval: a fault in the library turns the notebooks red ----------------------------------------

SAMPLER_NOTEBOOK = """\
import torch

from vae_lib import reparameterize

mu, logvar = torch.zeros(20_000, 2), torch.full((20_000, 2), 0.09).log()
z = reparameterize(mu, logvar, generator=torch.Generator().manual_seed(0))
assert (z.var(0) - 0.09).abs().max() < 0.005
print("variance 0.09")"""
SIGMA, SIGMA_SQUARED = "torch.exp(0.5 * logvar)", "torch.exp(logvar)"


def nbval(root):
    """The closing result of strict nbval over the notebooks of a copy, and what it printed."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    command += ["--nbval", "--nbval-current-env", f"--rootdir={root}", "notebooks"]
    environment = dict(os.environ, PYTHONPATH=str(root))
    environment.pop("MPLBACKEND", None)  # with Agg no picture is shown, and nbval misses it
    result = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    return result.returncode, result.stdout + result.stderr


def library_copy(root):
    shutil.copytree(ROOT / "vae_lib", root / "vae_lib")
    shutil.copy(ROOT / "_config.yml", root)
    (root / "notebooks").mkdir()


def plant_sigma_squared(root):
    """Let the copy's sampler multiply the noise by the variance."""
    path = root / "vae_lib" / "distributions.py"
    text = path.read_text()
    function = re.search(r"(?ms)^def reparameterize\(.*?(?=^\S)", text)[0]
    assert function.count(SIGMA) == 1, f"reparameterize no longer says {SIGMA}: mend this test"
    path.write_text(text.replace(function, function.replace(SIGMA, SIGMA_SQUARED)))


def test_a_fault_planted_in_the_library_turns_nbval_red(tmp_path):
    library_copy(tmp_path)
    output = new_output("stream", text="variance 0.09\n")
    nb = new_notebook(cells=[new_code_cell(SAMPLER_NOTEBOOK, outputs=[output])])
    counted(nb)
    write(nb, tmp_path)
    code, printed = nbval(tmp_path)
    assert code == 0 and "1 passed" in printed, printed
    plant_sigma_squared(tmp_path)
    code, printed = nbval(tmp_path)
    assert code == 1 and "1 failed" in printed, printed


@pytest.mark.parametrize(
    "path", [p for p in REAL if p.stem == "05_reparameterization"], ids=lambda path: path.stem
)
def test_a_fault_planted_in_the_library_turns_its_chapter_red(path, tmp_path):
    library_copy(tmp_path)
    shutil.copy(path, tmp_path / "notebooks")
    plant_sigma_squared(tmp_path)
    code, printed = nbval(tmp_path)
    assert code == 1 and "1 failed" in printed, printed
