"""Every exercise and quiz is laid out as CONTRIBUTING.md says, and each fault is named."""

import pytest
import small_course as small
from nb_checks import findings as all_findings
from nb_coursework import coursework_findings
from nb_drift import drift_findings
from nb_stamp import stamp
from nb_text import dump_notebook, notebook_files, read_notebook

STUB = '''def half(x):
    """The half of x, any shape."""
    raise NotImplementedError
'''


@pytest.fixture
def book(tmp_path):
    return small.make_book(tmp_path)


def chapter_findings(root, text):
    return coursework_findings(small.notebook(text, root), root, "01_a")


def set_findings(root, text):
    return coursework_findings(small.notebook(text, root), root, "set_a_core")


@pytest.mark.parametrize("path", notebook_files(small.ROOT), ids=lambda path: path.stem)
def test_the_coursework_of_the_book_has_no_findings(path):
    assert coursework_findings(read_notebook(path), small.ROOT, path.stem) == []


def test_the_small_book_has_no_findings(book):
    assert chapter_findings(book, small.chapter_text()) == []
    assert set_findings(book, small.set_text()) == []


TASK = "# ```{exercise} About half (1 point, 5 minutes)"
SOLUTION_START = "# ````{solution-start} ex-01-half"
FAULTS = {
    "no stub": (STUB, "half = 1\n", "a stub is one function with a docstring and"),
    "two things in a stub": (STUB, STUB + "\n\nn = 1\n", "a stub is one function with"),
    "no docstring": ('    """The half of x, any shape."""\n', "", "a stub is one function with"),
    "written stub": ("    raise NotImplementedError\n\n\n# %% [markdown]\n" + SOLUTION_START,
                     "    return x / 2\n\n\n# %% [markdown]\n" + SOLUTION_START,
                     "a stub is one function with"),
    "something between": ("# %% [markdown]\n" + SOLUTION_START,
                          "# %%\nseen\n\n# %% [markdown]\n" + SOLUTION_START,
                          "ex-01-half: {solution-start} ex-01-half must follow the stub"),
    "another's solution": (SOLUTION_START, SOLUTION_START.replace("half", "double"),
                           "ex-01-half: {solution-start} ex-01-half must follow"),
    "other arguments": ("def half(x: float):", "def half(y):", "must define half(x)"),
    "another default": ("def half(x: float):", "def half(x=1):", "must define half(x)"),
    "untagged solution": ('# %% tags=["solution"]\nonly_in_solution = half', "# %%\nu = half",
                          "stands in the solution without its tag"),
    "wrong call": ('check("ex-01-half", half)', 'check("ex-01-half", half(1))',
                   'must be exactly check("ex-01-half", half)'),
    "no check": ('# %% tags=["check"]\ncheck("ex-01-half", half)', "",
                 "a code cell tagged `check` must stand in cell"),
    "no label": ("# :label: ex-01-half\n", "", "one {exercise} with a `:label:` line"),
    "no such question": ("ex-01-half", "ex-01-third", "checks.chapter_01 has no such question"),
    "another chapter's": ("ex-01-half", "ex-02-half", "the label must begin with ex-01-"),
    "points": (TASK, TASK.replace("1 point", "2 points"), "must end in (1 point, 5 minutes)"),
    "one points": (TASK, TASK.replace("1 point", "1 points"), "must end in (1 point, 5 minutes)"),
    "minutes": (TASK, TASK.replace("5 m", "6 m"), "must end in (1 point, 5 minutes)"),
    "stray tag": ("# %%\nseen = 1", '# %% tags=["solution"]\nseen = 1', "part of no exercise"),
    "a stray solution": ("# Short.", "# ````{solution-end}\n# ````",
                         "a solution, but part of no exercise"),
    "no intro": ("# Each exercise asks for one function.", "# Exercises.", "under `## Exercises`"),
    "no import": ("from vae_lib.checks import check\n", "import math\n", "under `## Exercises`"),
    "no section": ("# ## Check yourself", "# ## Quiz", "the last sections must be `## Recap`"),
    "quiz elsewhere": ("# ## Check yourself", "# Here.", "stands outside of `## Check yourself`"),
    "two right": ("# - [ ] The wrong one.", "# - [x] The wrong one.", "quiz 'quiz-01-a': "),
    "quiz label": ("quiz-01-b", "quiz-02-b", "quiz-02-b must begin with quiz-01-"),
    "quiz twice": ("quiz-01-b", "quiz-01-a", "quiz-01-a is given twice"),
    "two quizzes": (small.QUIZ.replace("@", "b"), "", "has 2 quizzes; a chapter has 3 to 6"),
}  # fmt: skip


@pytest.mark.parametrize("old, new, expected", FAULTS.values(), ids=FAULTS)
def test_a_fault_is_named(book, old, new, expected):
    text = small.chapter_text()
    assert old in text
    found = chapter_findings(book, text.replace(old, new))
    assert any(expected in finding for finding in found), found


def test_the_intro_may_share_the_cell_of_its_heading(book):
    text = small.chapter_text()
    joined = text.replace("# ## Exercises\n\n# %% [markdown]\n", "# ## Exercises\n#\n")
    assert joined != text and chapter_findings(book, joined) == []


def test_a_function_of_another_name_is_seen(book):
    text = small.chapter_text().replace("def half(", "def halve(").replace(", half)", ", halve)")
    found = chapter_findings(book, text)
    assert any("the question asks for half, the stub is halve" in f for f in found), found


@pytest.mark.parametrize("missing, count", [("half", 2), ("double half", 1)])
def test_too_few_exercises_are_seen(book, missing, count):
    text = small.chapter_text()
    for name in missing.split():
        text = text.replace(small.exercise("ex-01", name), "")
    found = chapter_findings(book, text)
    assert any(f"has {count} exercises; a chapter has 3 to 5" in f for f in found)
    assert any("chapter_01: ex-01-half stands in no exercise" in f for f in found)


def test_a_check_that_does_not_show_full_points_is_seen(book):
    nb = small.notebook(small.chapter_text(), book)
    shown = next(c for c in nb.cells if c.source == 'check("ex-01-half", half)').outputs[0]
    shown.data["text/plain"] = "ex-01-half: 0 of 1 points\n  wrong  the values: no"
    (found,) = coursework_findings(nb, book, "01_a")
    assert "ex-01-half: its check does not show 'ex-01-half: 1 of 1 points'" in found


def test_an_unknown_module_of_checks_is_named(book):
    (book / "vae_lib" / "checks" / "chapter_01.py").unlink()
    found = chapter_findings(book, small.chapter_text())
    assert found == [
        "vae_lib.checks.chapter_01: FileNotFoundError: there is no vae_lib/checks/chapter_01.py"
    ]


def test_the_questions_are_those_of_the_book_and_not_of_the_installed_library(book):
    path = book / "vae_lib" / "checks" / "chapter_01.py"
    path.write_text(path.read_text().replace("minutes=5", "minutes=55", 1))
    found = chapter_findings(book, small.chapter_text())
    assert len(found) == 1 and "must end in (1 point, 55 minutes)" in found[0]


def test_a_name_that_only_a_solution_binds_is_seen_in_other_cells(book):
    text = small.set_text() + "\n# %%\nprint(only_in_solution)\n"
    (found,) = set_findings(book, text)
    assert found.endswith("uses only_in_solution, which only a solution defines")
    inside = small.set_text() + "\n# %%\nshow = lambda: [only_in_solution for _ in range(2)]\n"
    assert "uses only_in_solution" in set_findings(book, inside)[0]
    again = small.set_text() + "\n# %%\nonly_in_solution = 1\n\n# %%\nprint(only_in_solution)\n"
    assert set_findings(book, again) == []


def test_a_set_has_no_quiz_and_no_claim(book):
    text = small.set_text() + small.QUIZ.replace("@", "a")
    text += '\n# %% tags=["claim-kl-sum"]\n1\n'
    found = set_findings(book, text)
    assert len(found) == 2
    assert "a quiz belongs in a chapter" in found[0] and "a claim" in found[1]


def test_stub_and_solution_may_define_a_public_name(book):
    """`double` is public in this library; the set asks for it."""
    nb = small.notebook(small.set_text(), book)
    assert drift_findings(nb, book) == []
    nb = small.notebook(small.set_text() + "\n# %%\ndouble = 2\n", book)
    assert "redefines double" in drift_findings(nb, book)[0]


def test_the_notebook_checks_include_the_coursework(book):
    text = small.chapter_text().replace("quiz-01-b", "quiz-02-b")
    path = small.write(book, "01_a", text)
    path.write_bytes(dump_notebook(stamp(small.notebook(text, book), book)))
    (found,) = all_findings(path, book)
    assert "quiz-02-b must begin with quiz-01-" in found
