"""Every equation has its test, every test an equation, and each test notices an error."""

import sys
from pathlib import Path

import pytest
import torch
from nbformat.v4 import new_markdown_cell, new_notebook

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "tools"))

import equations  # noqa: E402
import equations_page  # noqa: E402
from nb_text import dump_notebook  # noqa: E402

TESTS = equations_page.load_tests(ROOT)
from sides import Check  # noqa: E402  (load_tests has put tests/equations on the path)

TEXT = "# 1. One\n\nDefine\n\n$$\na = 1\n$$ (def-a)\n\nand so\n\n$$\na + a = 2\n$$ (eq-double)\n"
TEST = '''
@pytest.mark.equation(by="exact", within=1e-9)
def test_eq_double(check):
    """Twice a is two."""
'''


def small_book(folder, text=TEXT, test=TEST, file="test_chapter_01.py"):
    """A book of one chapter with one definition, one result and its test."""
    (folder / "_toc.yml").write_text("root: book/index\nchapters:\n  - file: notebooks/01_one\n")
    for name in ("book", "notebooks", "tests/equations"):
        (folder / name).mkdir(parents=True)
    (folder / "book" / "index.md").write_text("# A book\n")
    notebook = new_notebook(cells=[new_markdown_cell(text)])
    (folder / "notebooks" / "01_one.ipynb").write_bytes(dump_notebook(notebook))
    (folder / "tests" / "equations" / file).write_text(test)
    return folder


def test_the_book_has_no_untested_result():
    assert equations.findings(ROOT) == []


def test_a_sound_book_has_no_findings(tmp_path):
    assert equations.findings(small_book(tmp_path)) == []


@pytest.mark.parametrize("faulty, finding", [
    (dict(text=TEXT.replace(" (def-a)", "")), "has no label"),
    (dict(text=TEXT.replace("(def-a)", "(toy)")), "'toy' is neither"),
    (dict(text=TEXT.replace("(def-a)", "(eq-a)")), "eq-a has no test: write test_eq_a"),
    (dict(text=TEXT.replace("(def-a)", "(eq-double)")), "was given before"),
    (dict(text=TEXT + "\n\\begin{align}b\\end{align}\n"), "display equations as"),
    (dict(text=TEXT + "\n```{math}\nb\n```\n"), "display equations as"),
    (dict(text=TEXT.replace("(eq-double)", "(def-double)")), "tests no equation of the book"),
    (dict(test=""), "eq-double has no test"),
    (dict(test=TEST.replace("@pytest.mark.equation", "# ")), "lacks @pytest.mark.equation"),
    (dict(test=TEST.replace("Twice a is two.", "")), "needs a line"),
    (dict(file="test_chapter_02.py"), "belongs to test_chapter_01.py"),
])  # fmt: skip
def test_a_fault_is_found(tmp_path, faulty, finding):
    found = equations.findings(small_book(tmp_path, **faulty))
    assert any(finding in line for line in found), found


def test_displays_are_told_from_code():
    text = "write `$$ ... $$ (label)`, as in\n\n$$ x $$ (eq-x)\n\nand $y$"
    assert equations.displays(text) == [(" x ", "eq-x")]


# -- each test notices an error ----------------------------------------------------------------


@pytest.mark.parametrize("label", TESTS)
def test_two_percent_are_noticed(label):
    with pytest.raises(AssertionError):
        equations_page.run_test(TESTS[label], fault=0.02)


def test_check_compares():
    check = Check("exact", 1e-9)
    check.equal(torch.ones(2), torch.ones(2))
    check.at_most(1.0, 2.0)
    Check("Monte Carlo", 4).mean(torch.randn(1000), 0.0)
    assert check.count == 3 and check.largest == 0
    for compare, sides in ((check.equal, (1.0, 1.1)), (check.at_most, (2.0, 1.0))):
        with pytest.raises(AssertionError):
            compare(*sides)
    with pytest.raises(AssertionError):
        Check("Monte Carlo", 4).mean(torch.randn(1000) + 1, 0.0)
    with pytest.raises(AssertionError):
        check.equal(torch.ones(2), 1.0)
    with pytest.raises(AssertionError):
        check.equal(float("nan"), float("nan"))
    with pytest.raises(ValueError, match="by must be one of"):
        Check("guessing", 1.0)


# -- the appendix ------------------------------------------------------------------------------


def test_page_is_in_step():
    page = (ROOT / equations_page.PAGE).read_text(encoding="utf-8")
    written = equations_page.written(ROOT)
    message = "run `python book/tools/equations_page.py`"
    assert set(written) == set(equations.described_tests(ROOT)), message
    assert equations_page.with_table(ROOT, written) == page, message


def test_page_states_deviations_within_the_limits():
    tests = equations.described_tests(ROOT)
    for label, found in equations_page.written(ROOT).items():
        assert float(found.removesuffix(" s.e.")) <= tests[label][1], label
