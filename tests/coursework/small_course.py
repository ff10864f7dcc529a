"""A small book with coursework in which nothing is wrong: a chapter, a problem set, a library."""

import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

from nbformat.v4 import new_output

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "tools"))

from address import place_setup_cell  # noqa: E402
from nb_normalise import normalise  # noqa: E402
from nb_text import dump_notebook, from_text  # noqa: E402

CONFIG = "title: A\nrepository:\n  url: https://github.com/o/r\n  branch: main\n"
BIBLIOGRAPHY = """
@misc{doersch2016tutorial, author = {Doersch, Carl}, year = {2016}, url = {https://arxiv.org/abs/1}}
@book{two, author = {L{\\"o}b, A. and van den Oord, B.}, year = {1999}}
@misc{three, author = {Adam, A. and Berg, B. and Cole, C.}, year = {2020}, doi = {10.1/2}}
"""
QUESTION = """
    Question("{name}", "{function}", minutes=5,
             checks=(values("the values", lambda g: (torch.rand(3, generator=g),), {answer}),)),
"""


def checks_module(prefix):
    """A module of checks with three questions: PREFIX-double, PREFIX-half, PREFIX-square."""
    answers = {"double": "lambda x: 2 * x", "half": "lambda x: x / 2", "square": "torch.square"}
    rows = [QUESTION.format(name=f"{prefix}-{f}", function=f, answer=a) for f, a in answers.items()]
    return (
        f"import torch\n\nfrom .engine import Question, values\n\nQUESTIONS = ({''.join(rows)})\n"
    )


EXERCISE = '''
# %% [markdown]
# ```{exercise} About @ (1 point, 5 minutes)
# :label: PREFIX-@
#
# Predict, then write `@`.
# ```

# %% tags=["exercise"]
def @(x):
    """The @ of x, any shape."""
    raise NotImplementedError


# %% [markdown]
# ````{solution-start} PREFIX-@
# :class: dropdown
# ````
# Explained: @.


# %% tags=["solution"]
def @(x: float):
    answer_of_@ = ANSWER
    return answer_of_@


# %% tags=["solution"]
only_in_solution = @(3.0)
assert only_in_solution > 0

# %% [markdown]
# ````{solution-end}
# ````

# %% tags=["check"]
check("PREFIX-@", @)
'''
ANSWERS = {"double": "x + x", "half": "x / 2", "square": "x * x"}
QUIZ = """
# %% [markdown]
# ```{quiz} Question @ about $x$?
# :label: quiz-01-@
#
# - [ ] The wrong one.
#
#   No: it is wrong.
# - [x] The right one.
#
#   Yes: it is right.
# ```
"""
CHAPTER_HEAD = """\
# %% [markdown]
# # 1. One
#
# Begin as {cite}`doersch2016tutorial` does, with the [notation](../book/notation).
#
# $$
# a = 1
# $$ (def-a)
#
# ```{admonition} Predict
# :class: predict
#
# What follows from {eq}`def-a`?
# ```

# %%
seen = 1
seen + 1

# %% [markdown]
# ## Recap
#
# Short.

# %% [markdown]
# ## Check yourself
"""
EXERCISES_HEAD = """
# %% [markdown]
# ## Exercises

# %% [markdown]
# Each exercise asks for one function. Write it in place of the `raise`, run the check below it, and read the hint. The [student copy](https://colab.research.google.com/github/o/r/blob/main/notebooks/student/01_a.ipynb) has no solutions in it.

# %%
from vae_lib.checks import check
"""  # noqa: E501
SET_HEAD = """\
# %% [markdown]
# # Problem set A. A start

# %%
from vae_lib.checks import check
"""


def exercise(prefix, function):
    text = EXERCISE.replace("PREFIX", prefix).replace("ANSWER", ANSWERS[function])
    return text.replace("@", function)


def chapter_text():
    """The text of notebooks/01_a.ipynb."""
    quizzes = "".join(QUIZ.replace("@", name) for name in ("a", "b", "c"))
    return CHAPTER_HEAD + quizzes + EXERCISES_HEAD + "".join(exercise("ex-01", f) for f in ANSWERS)


def set_text():
    """The text of notebooks/set_a_core.ipynb, in which later cells call the answers."""
    body = "".join(exercise("set-a", f) for f in ANSWERS)
    return SET_HEAD + body + "\n# %%\nnumber = double(2.0)\n\n# %%\nprint(number + square(1.0))\n"


def notebook(text, root):
    """The notebook of a text as if it had been executed, every check with full points."""
    nb = place_setup_cell(from_text(text), root)
    for count, cell in enumerate((c for c in nb.cells if c.cell_type == "code"), 1):
        cell.execution_count = count
        if "check" in cell.metadata.get("tags", []):
            label = cell.source.split('"')[1]
            shown = f"{label}: 1 of 1 points\n  right  the values"
            data = {"text/plain": shown}
            cell.outputs = [new_output("execute_result", data, execution_count=count)]
    return normalise(nb, root)


def write(root, stem, text):
    """Put a notebook into the book. Returns its path."""
    path = root / "notebooks" / f"{stem}.ipynb"
    path.write_bytes(dump_notebook(notebook(text, root)))
    return path


def make_book(root):
    """The whole book under `root`. Returns `root`."""
    for folder in ("notebooks", "book", "vae_lib"):
        (root / folder).mkdir()
    (root / "_config.yml").write_text(CONFIG)
    (root / "book" / "notation.md").write_text("# Notation\n\nSymbols.\n")
    (root / "book" / "references.bib").write_text(BIBLIOGRAPHY)
    library, checks = root / "vae_lib", root / "vae_lib" / "checks"
    (library / "__init__.py").write_text(textwrap.dedent("__all__ = ['double']\ndouble = 2\n"))
    checks.mkdir()
    for name in ("__init__", "engine", "calling", "fixtures"):
        shutil.copy(ROOT / "vae_lib" / "checks" / f"{name}.py", checks)
    (checks / "chapter_01.py").write_text(checks_module("ex-01"))
    (checks / "set_a.py").write_text(checks_module("set-a"))
    write(root, "01_a", chapter_text())
    write(root, "set_a_core", set_text())
    return root


def run(folder, module, *arguments):
    """What a Python module prints when it is run in a folder."""
    command = [sys.executable, "-m", module, *arguments]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return result.stdout + result.stderr
