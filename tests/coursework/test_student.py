"""The student copies: in step, without a solution, without MyST, and they run."""

import ast
import functools
import os
import re
import shutil

import matplotlib
import matplotlib.pyplot as plt
import nbformat
import pytest
import small_course as small
import student
import torch
from address import configured_address, move, verify
from nb_exercises import read_exercises
from nb_names import bound_and_used, orphans
from nb_source import python_source, tags
from nb_text import dump_notebook, notebook_files, read_notebook
from plain_book import Book
from plain_inline import left_over
from plain_markdown import plain_markdown

from vae_lib.checks import Report

ROOT = small.ROOT
MASTERS = [
    path
    for path in notebook_files(ROOT)
    if any("exercise" in tags(cell) for cell in read_notebook(path).cells)
]
SETS = [path for path in MASTERS if path.stem.startswith("set_")]
MYST = {
    "a directive": r"(?m)^[ >]*(?:[`~]{3,}|:{3,})\s*\{",
    "a role": r"\{[a-z:]+\}`",
    "a labelled equation": r"\$\$\s*\((?:eq|def)-",
    "a setting": r"(?m)^:(?:label|class|alt|name|width):",
    "a target": r"(?m)^\([\w.-]+\)=\s*$",
    "a relative link": r"\]\(\.\.",
}


@functools.cache
def the_book():
    return Book(ROOT)


@functools.cache
def copy_of(path):
    """The copy of one notebook as the generator makes it now."""
    made = student.student_copy(read_notebook(path), the_book(), path.stem)
    return nbformat.reads(dump_notebook(made).decode(), as_version=4)


@pytest.fixture
def book(tmp_path):
    root = small.make_book(tmp_path)
    student.write(root)
    return root


def code(nb):
    return [cell for cell in nb.cells if cell.cell_type == "code"]


def prose(nb):
    return "\n\n".join(cell.source for cell in nb.cells if cell.cell_type == "markdown")


# -- in step --------------------------------------------------------------------------------------


def test_the_committed_copies_are_in_step():
    """Proof 8: making them again gives the same bytes."""
    assert student.differences(ROOT) == []


def test_every_notebook_with_exercises_has_its_copy():
    copies = (ROOT / student.FOLDER).glob("*.ipynb")
    assert sorted(path.name for path in copies) == [path.name for path in MASTERS]


def test_making_them_twice_gives_the_same_bytes(book):
    first, second = student.copies(book), student.copies(book)
    assert first == second and sorted(path.name for path in first) == [
        "01_a.ipynb",
        "set_a_core.ipynb",
    ]
    assert student.differences(book) == []


def test_an_edited_a_missing_and_a_strange_copy_are_named(book):
    folder = book / student.FOLDER
    path = folder / "01_a.ipynb"
    path.write_text(path.read_text().replace("Question a", "Question A"))
    (folder / "set_a_core.ipynb").rename(folder / "set_b_core.ipynb")
    found = student.differences(book)
    assert [line.split(" ")[0].split("/")[-1] for line in found] == [
        "01_a.ipynb",
        "set_a_core.ipynb",
        "set_b_core.ipynb",
    ]
    assert "out of step" in found[0] and "out of step" in found[1] and "delete it" in found[2]


def test_the_command_compares_and_writes(book, monkeypatch, capsys):
    monkeypatch.setattr(student, "ROOT", book)
    assert student.main(["--check"]) == 0
    path = book / student.FOLDER / "01_a.ipynb"
    before = path.read_bytes()
    path.write_bytes(before + b"\n")
    assert student.main(["--check"]) == 1 and path.read_bytes() != before
    assert "run `make student`" in capsys.readouterr().err
    assert student.main(["01"]) == 0 and path.read_bytes() == before


@pytest.mark.parametrize("path", MASTERS, ids=lambda path: path.stem)
def test_a_copy_holds_no_output_no_stamp_and_only_the_tags_of_work(path):
    allowed, nb = {*student.KEPT_TAGS, "hide-input"}, copy_of(path)
    assert set(nb.metadata) == {"kernelspec", "language_info"}
    for cell in code(nb):
        assert not cell.outputs and cell.execution_count is None
        assert set(cell.metadata) <= {"tags"} and set(tags(cell)) <= allowed
        assert "hide-input" not in tags(cell) or "setup" in tags(cell)


# -- no solution ----------------------------------------------------------------------------------


def solution_lines(master):
    """Lines of the removed cells, of code and of words, that stand nowhere else in the notebook."""
    exercises, _ = read_exercises(master)
    removed = {index for one in exercises for index in one.solution}
    lines = {True: set(), False: set()}
    for index, cell in enumerate(master.cells):
        lines[index in removed] |= {line.strip() for line in cell.source.splitlines()}
    return {line for line in lines[True] - lines[False] if line.strip("`#: ")}


def leaked(master, copy):
    """The lines of solutions that stand in a student copy."""
    lines = {line.strip() for cell in copy.cells for line in cell.source.splitlines()}
    return solution_lines(master) & lines


@pytest.mark.parametrize("path", MASTERS, ids=lambda path: path.stem)
def test_no_line_of_a_solution_stands_in_the_copy(path):
    master = read_notebook(path)
    assert len(solution_lines(master)) > len(read_exercises(master)[0])
    assert leaked(master, copy_of(path)) == set()


def test_a_leaked_solution_is_seen(book):
    master = read_notebook(book / "notebooks" / "01_a.ipynb")
    copy = read_notebook(book / student.FOLDER / "01_a.ipynb")
    assert leaked(master, copy) == set()
    copy.cells.append(nbformat.v4.new_code_cell("def half(x):\n    answer_of_half = x / 2"))
    assert leaked(master, copy) == {"answer_of_half = x / 2"}


@pytest.mark.parametrize("path", MASTERS, ids=lambda path: path.stem)
def test_everything_else_stands_in_the_copy(path):
    """Tasks, stubs, checks and all other code, in their order."""
    master = read_notebook(path)
    exercises, _ = read_exercises(master)
    removed = {index for one in exercises for index in one.solution}
    kept = [cell for i, cell in enumerate(master.cells) if i not in removed]
    expected = [cell.source for cell in kept if cell.cell_type == "code"]
    assert [cell.source for cell in code(copy_of(path))] == expected
    for one in exercises:
        assert f"\n\n`{one.label}`\n\n" in prose(copy_of(path))


# -- plain Markdown -------------------------------------------------------------------------------


def myst_in(nb):
    """The marks of MyST that stand in the words of a notebook."""
    return [(what, m[0]) for what, form in MYST.items() if (m := re.search(form, prose(nb)))]


@pytest.mark.parametrize("path", MASTERS, ids=lambda path: path.stem)
def test_no_myst_is_left(path):
    assert myst_in(copy_of(path)) == []


def test_the_masters_hold_what_is_looked_for():
    masters = map(read_notebook, notebook_files(ROOT))
    found = {what for master in masters for what, _ in myst_in(master)}
    assert {"a directive", "a role", "a labelled equation", "a setting"} <= found


def convert(text, book, held=("def-a",)):
    return plain_markdown(text, Book(book), set(held))


CONVERTED = {
    "{eq}`def-a`": "(1.1)",
    "a {cite}`doersch2016tutorial`.": "a ([Doersch, 2016](https://arxiv.org/abs/1)).",
    "{cite}`two,three`": "(Löb and van den Oord, 1999; [Adam et al., 2020](https://doi.org/10.1/2))",
    "{cite:t}`doersch2016tutorial` says": "[Doersch (2016)](https://arxiv.org/abs/1) says",
    "[n](../book/notation.md#units)": "[n](https://o.github.io/r/book/notation.html#units)",
    "{doc}`../book/notation`": "[Notation](https://o.github.io/r/book/notation.html)",
    "{doc}`one <01_a>`": "[one](https://o.github.io/r/notebooks/01_a.html)",
    "{ref}`the row <row-kl>`": "the row",
    "[a](https://example.org)": "[a](https://example.org)",
    "(here)=\n## A": "## A",
    "$$ a $$ (def-a)": "$$ a \\tag{1.1} $$",
    "$$\na\n$$ (def-a)\n\nb": "$$\na \\tag{1.1}\n$$\n\nb",
    "`{eq}` and `](../a)`": "`{eq}` and `](../a)`",
    "```python\n{eq}`def-a`\n```": "```python\n{eq}`def-a`\n```",
    "```{code-block} python\nx\n```": "```python\nx\n```",
    "```{admonition} Predict\n:class: predict\n\nWhy\n$$\na\n$$ (def-a)\n```": (
        "> **Predict**\n>\n> Why\n> $$ a \\tag{1.1} $$"
    ),
    "~~~{note} The `x`\nA\n~~~": "> **The `x`**\n>\n> A",
    ":::{note}\nA\n\nB\n:::": "> **Note**\n>\n> A\n>\n> B",
    "- a\n  ```{tip}\n  B\n  ```\n- c": "- a\n  > **Tip**\n  >\n  > B\n- c",
    "```{dropdown} More\nA\n```": "<details>\n<summary>More</summary>\n\nA\n\n</details>",
    "![a](../book/a.svg)": "![a](https://raw.githubusercontent.com/o/r/main/book/a.svg)",
    "```{figure} ../book/a.svg\n:alt: a\n\nWords.\n```": (
        "![a](https://raw.githubusercontent.com/o/r/main/book/a.svg)\n\nWords."
    ),
}


@pytest.mark.parametrize("text, expected", CONVERTED.items(), ids=list(CONVERTED))
def test_myst_becomes_markdown(book, text, expected):
    (book / "book" / "a.svg").write_text("<svg/>")
    assert convert(text, book) == expected
    assert left_over(expected) is None


def test_what_another_notebook_holds_becomes_a_link(book):
    assert convert("{eq}`def-a`", book, held=()) == (
        "[(1.1)](https://o.github.io/r/notebooks/01_a.html#equation-def-a)"
    )
    assert convert("{ref}`set-a-half`", book, held=()) == (
        "[Exercise A.2](https://o.github.io/r/notebooks/set_a_core.html#set-a-half)"
    )
    assert convert("{ref}`set-a-half`", book, held=["set-a-half"]) == "Exercise A.2"


def test_an_exercise_and_a_quiz_become_markdown(book):
    text = prose(read_notebook(book / student.FOLDER / "01_a.ipynb"))
    assert "### Exercise 1.2: About half (1 point, 5 minutes)\n\n`ex-01-half`\n\nPredict" in text
    assert (
        "**Question a about $x$?**\n\n- **A.** The wrong one.\n- **B.** The right one.\n\n"
        "<details>\n<summary>Answers</summary>\n\n- **A.** Not quite. It is wrong.\n"
        "- **B.** Right. It is right.\n\n</details>"
    ) in text
    assert "student copy](https://colab" not in text


def test_the_copy_says_what_it_is(book):
    first = read_notebook(book / student.FOLDER / "01_a.ipynb").cells[0].source
    title, empty, header = first.splitlines()[:3]
    assert title == "# 1. One" and not empty
    assert "Student copy of [chapter 1](https://o.github.io/r/notebooks/01_a.html)" in header
    of_set = read_notebook(book / student.FOLDER / "set_a_core.ipynb").cells[0].source
    assert "[problem set A](https://o.github.io/r/notebooks/set_a_core.html)" in of_set


BAD = {
    "```{tabs}\nA\n```": "no rule turns the directive {tabs} into Markdown",
    "{abbr}`KL (a)`": "no rule turns {abbr}`KL (a)` into Markdown",
    "{ref}`row-kl`": "no rule turns {ref}`row-kl` into Markdown",
    "{eq}`eq-none`": "'eq-none' names no equation",
    "{cite}`nobody1999`": "'nobody1999' names no entry of references.bib",
    "[a](../book/none)": "the link ../book/none leads to no page of the book",
    "![a](../book/none.svg)": "the picture book/none.svg does not exist",
    "{doc}`../book/none`": "{doc} names ../book/none, which is no page of the book",
    "```{note} The `x`\nA\n```": "'```{note} The `x`': code in a title needs ~~~ for the fence",
    "````{note}\nA": "'````{note}' is never closed",
    "A[^1]": "no rule turns '[^1]' into Markdown",
    "[a](https://example.org){target=x}": "no rule turns '){target=x}' into Markdown",
    "```{quiz} A\n:label: quiz-01-x\n\n- [ ] B\n\n  No.\n```": "quiz 'quiz-01-x': ",
}


@pytest.mark.parametrize("text, expected", BAD.items(), ids=list(BAD))
def test_bad_input_is_one_clear_error_and_nothing_is_written(
    book, text, expected, monkeypatch, capsys
):
    """The first notebook changes as well: its copy must not be written when the second fails."""
    small.write(book, "01_a", small.chapter_text().replace("Short.", "Shorter."))
    master = read_notebook(book / "notebooks" / "set_a_core.ipynb")
    master.cells.insert(2, nbformat.v4.new_markdown_cell(text))
    (book / "notebooks" / "set_a_core.ipynb").write_bytes(dump_notebook(master))
    before = {path: path.read_bytes() for path in (book / student.FOLDER).iterdir()}
    monkeypatch.setattr(student, "ROOT", book)
    assert student.main([]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: set_a_core: cell 3: ") and said.count("\n") == 1
    assert expected in said
    assert {path: path.read_bytes() for path in (book / student.FOLDER).iterdir()} == before


def test_a_faulty_layout_is_an_error(book):
    text = small.set_text().replace('check("set-a-half", half)', 'check("set-a-half", half(1))')
    small.write(book, "set_a_core", text)
    with pytest.raises(ValueError, match=r"set_a_core: cell .*: set-a-half: cell .* exactly check"):
        student.copies(book)


# -- the address ----------------------------------------------------------------------------------


def test_the_copies_follow_when_the_address_moves(book):
    assert verify(book) == []
    move(book, "https://github.com/some-one/her-book")
    assert configured_address(book) == "https://github.com/some-one/her-book"
    assert verify(book) == [] and student.differences(book) == []
    text = prose(read_notebook(book / student.FOLDER / "01_a.ipynb"))
    assert "https://some-one.github.io/her-book/notebooks/01_a.html" in text


# -- they run -------------------------------------------------------------------------------------


@pytest.fixture
def at_home(monkeypatch):
    """Cells run in notebooks/; what they set for the process is put back."""
    dtype, state = torch.get_default_dtype(), torch.get_rng_state()
    monkeypatch.chdir(ROOT / "notebooks")
    with matplotlib.rc_context():
        yield
    plt.close("all")
    torch.set_default_dtype(dtype)
    torch.set_rng_state(state)


def run_cell(source, space):
    """Execute one cell; the value of its last expression, as a notebook would show it."""
    body = ast.parse(python_source(source)).body
    last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), "<cell>", "exec"), space)
    return eval(compile(ast.Expression(last.value), "<cell>", "eval"), space) if last else None


def only_imports(source):
    tree = ast.parse(python_source(source))
    kept = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    return ast.unparse(ast.Module(kept, []))


def reports(nb):
    """Proof 2, live: what the checks say to the stubs, with the notebook's imports alone."""
    space, found = {"__name__": "__main__"}, []
    for cell in code(nb):
        work = {"setup", "exercise", "check"} & set(tags(cell))
        value = run_cell(cell.source if work else only_imports(cell.source), space)
        found += [value] if "check" in tags(cell) else []
    return found


@pytest.mark.parametrize("path", MASTERS, ids=lambda path: path.stem)
def test_every_check_of_a_copy_gives_no_point_and_no_error(path, at_home):
    found = reports(copy_of(path))
    assert len(found) == len(read_exercises(read_notebook(path))[0]) > 0
    for report in found:
        assert isinstance(report, Report) and report.points == 0 and not report.written
        assert all(hint == "not written yet" for _, _, hint in report.lines)
        assert "not written yet" in repr(report)


def test_a_stub_that_is_written_is_seen(at_home):
    cell = nbformat.v4.new_code_cell
    nb = nbformat.v4.new_notebook(
        cells=[
            cell("from vae_lib.checks import check\n1 / 0"),
            cell("def f(b):\n    return b", metadata={"tags": ["exercise"]}),
            cell('check("ex-03-laplace", f)', metadata={"tags": ["check"]}),
        ]
    )
    (report,) = reports(nb)
    assert report.written


@pytest.mark.parametrize("path", MASTERS, ids=lambda path: path.stem)
def test_no_cell_of_a_copy_uses_a_name_that_only_a_solution_binds(path):
    master = read_notebook(path)
    exercises, wrong = read_exercises(master)
    removed = {index for one in exercises for index in one.solution}
    assert wrong == [] and removed
    assert orphans(master.cells, removed) == []


def test_a_cell_that_lives_on_a_solution_is_an_error(book):
    small.write(book, "set_a_core", small.set_text() + "\n# %%\nprint(only_in_solution)\n")
    with pytest.raises(ValueError, match=r"set_a_core: cell .* uses only_in_solution, which only"):
        student.copies(book)


def failures(nb):
    """Proof 9: run all cells; what is raised other than NotImplementedError.

    A reader's kernel stops at the first error.  Here a cell that needs what a failed one would
    have bound is passed over, and all others are still tried.
    """
    space, blocked, found = {"__name__": "__main__"}, set(), []
    for number, cell in enumerate(nb.cells, 1):
        if cell.cell_type != "code":
            continue
        bound, used = bound_and_used(cell.source)
        try:
            if (used - bound) & blocked:
                raise NotImplementedError
            run_cell(cell.source, space)
        except NotImplementedError:
            blocked |= bound - space.keys()
        except Exception as error:
            if "raises-exception" not in tags(cell):
                found.append(f"cell {number}: {type(error).__name__}: {error}")
    return found


@pytest.mark.parametrize("path", SETS, ids=lambda path: path.stem)
def test_a_set_runs_with_nothing_raised_but_not_implemented(path, at_home):
    assert failures(copy_of(path)) == []


def test_another_error_than_not_implemented_is_seen(at_home):
    stub = "def f(x):\n    raise NotImplementedError"
    cells = [stub, "y = f(1)", "print(y)", "z = y + 1", "print(z)", "1 / 0", "print(gone)"]
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    assert failures(nb) == [
        "cell 6: ZeroDivisionError: division by zero",
        "cell 7: NameError: name 'gone' is not defined",
    ]


# -- neither ruff nor nbval looks at them ----------------------------------------------------------


def test_ruff_and_pytest_leave_the_copies_alone(tmp_path, request):
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / student.FOLDER).mkdir(parents=True)
    shutil.copy(ROOT / "notebooks" / "ruff.toml", tmp_path / "notebooks")
    for folder in (student.FOLDER, student.FOLDER.parent):
        nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("import os\n")])
        (tmp_path / folder / "01_a.ipynb").write_bytes(dump_notebook(nb))
    assert os.path.exists(tmp_path / "notebooks" / "01_a.ipynb")
    seen = small.run(tmp_path, "ruff", "check", "--no-cache", ".")
    assert "notebooks/01_a.ipynb" in seen and "student" not in seen
    seen = small.run(tmp_path, "pytest", "--collect-only", "-q", "-p", "no:cacheprovider")
    assert "notebooks/01_a.ipynb" in seen and "student" not in seen
