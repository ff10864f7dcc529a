"""Judges the coursework of a notebook: its exercises against `vae_lib.checks`, its quizzes.

A chapter has three to five exercises and three to six quizzes; a problem set (`set_a_core`) has
as many exercises as it likes, and no quiz.
"""

import hashlib
import importlib
import importlib.util
import re
import sys
from pathlib import Path

from address import configured_address
from nb_exercises import TASK, read_exercises
from nb_names import orphans
from nb_source import PACKAGE, tags
from quiz_text import quizzes_in

CHECKS = Path(PACKAGE) / "checks"
CHAPTER, SET = re.compile(r"(\d\d)_"), re.compile(r"set_([a-z])_")
WORTH = re.compile(r" \((\d+) (points?), (\d+) (minutes?)\)$")
EXERCISES, QUIZZES = (3, 5), (3, 6)  # in a chapter
IMPORT = "from vae_lib.checks import check"
INTRO = (
    "Each exercise asks for one function. Write it in place of the `raise`, run the check below "
    "it, and read the hint. The [student copy]({link}) has no solutions in it."
)
QUIZ = re.compile(r"(?m)^[`~:]{3,}\{quiz\}")
HEADING = re.compile(r"(?m)^## (.*)$")


def expected_module(stem):
    """The module of `vae_lib.checks` that belongs to a notebook; None for any other notebook."""
    if match := CHAPTER.match(stem):
        return f"chapter_{match[1]}"
    return f"set_{match[1]}" if (match := SET.match(stem)) else None


def intro(address, stem):
    """The text that stands first under `## Exercises` of a chapter."""
    colab = address.replace("https://github.com", "https://colab.research.google.com/github")
    return INTRO.format(link=f"{colab}/blob/main/notebooks/student/{stem}.ipynb")


def coursework_findings(nb, root, stem):
    """What is wrong with the exercises and quizzes of the notebook `stem`."""
    exercises, found = read_exercises(nb)
    found += orphan_findings(nb, exercises)
    module = expected_module(stem)
    if module is None or not (Path(root) / CHECKS).is_dir():  # a book without coursework
        return found
    try:
        questions = load_questions(root, module)
    except Exception as error:  # the author's own code: whatever it raises is what is wrong
        return [*found, f"{PACKAGE}.checks.{module}: {type(error).__name__}: {error}"]
    for one in exercises:
        wrong = question_findings(one, questions, module) + stored_findings(one, nb, questions)
        found += [f"cell {one.task + 1}: {one.label}: {finding}" for finding in wrong]
    labels = [one.label for one in exercises]
    found += [f"{name} is given twice" for name in set(labels) if labels.count(name) > 1]
    missing = sorted(questions.keys() - set(labels)) if not found else []
    found += [f"{PACKAGE}.checks.{module}: {name} stands in no exercise" for name in missing]
    return found + (chapter_findings(nb, root, stem) if CHAPTER.match(stem) else no_quiz(nb))


# -- exercises ------------------------------------------------------------------------------------


def load_questions(root, module):
    """{name: Question} of `vae_lib.checks.module` as it stands under `root`.

    Loaded afresh under a name of its own, because `root` need not be the installed library.
    """
    folder = (Path(root) / CHECKS).resolve()
    if not (folder / f"{module}.py").is_file():
        raise FileNotFoundError(f"there is no {CHECKS}/{module}.py")
    name = f"checks_{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"
    for loaded in [key for key in sys.modules if key == name or key.startswith(f"{name}.")]:
        del sys.modules[loaded]
    importlib.invalidate_caches()
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])
    return sys.modules[name].questions(module)


def question_findings(one, questions, module):
    """Whether name, function, points and minutes are those of the question behind it."""
    prefix = module.replace("chapter_", "ex-").replace("_", "-") + "-"
    if not one.label.startswith(prefix):
        return [f"the label must begin with {prefix}"]
    if one.label not in questions:
        return [f"{PACKAGE}.checks.{module} has no such question"]
    question, found = questions[one.label], []
    if question.function != one.function:
        found.append(f"the question asks for {question.function}, the stub is {one.function}")
    points = "1 point" if question.points == 1 else f"{question.points} points"
    minutes = "1 minute" if question.minutes == 1 else f"{question.minutes} minutes"
    if not one.title.endswith(f" ({points}, {minutes})"):
        found.append(f"the title must end in ({points}, {minutes})")
    return found


def stored_findings(one, nb, questions):
    """Whether the stored output of the check shows full points."""
    cell = nb.cells[one.check]
    if one.label not in questions or cell.execution_count is None:  # said elsewhere
        return []
    points = questions[one.label].points
    first = f"{one.label}: {points} of {points} points"
    texts = [o.get("data", {}).get("text/plain", "").split("\n")[0] for o in cell.outputs]
    return [] if texts == [first] else [f"its check does not show '{first}'"]


def orphan_findings(nb, exercises):
    """A student copy lacks the solutions, so no other cell may live on what they define."""
    removed = {index for one in exercises for index in one.solution}
    return [
        f"cell {index + 1}: uses {name}, which only a solution defines"
        for index, name in orphans(nb.cells, removed)
    ]


# -- a chapter ------------------------------------------------------------------------------------


def chapter_findings(nb, root, stem):
    """How many exercises and quizzes, where, and what introduces them."""
    found = []
    texts = [(i, c.source) for i, c in enumerate(nb.cells) if c.cell_type == "markdown"]
    count = sum(len(TASK.findall(text)) for _, text in texts)
    if not EXERCISES[0] <= count <= EXERCISES[1]:
        found.append(f"has {count} exercises; a chapter has {EXERCISES[0]} to {EXERCISES[1]}")
    words = intro(configured_address(root), stem)
    places = [i for i, text in texts if text.removeprefix("## Exercises").strip() == words]
    after = nb.cells[places[0] + 1] if places and places[0] + 1 < len(nb.cells) else None
    if after is None or after.source.strip() != IMPORT:
        found.append(
            f"under `## Exercises` stands '{words}' and no other word, then a code cell `{IMPORT}`"
        )
    order = [h for _, text in texts for h in HEADING.findall(text)]
    wanted = ["Recap", "Check yourself", "Exercises"]
    if [h for name in order for h in wanted if name.startswith(h)] != wanted:
        found.append("the last sections must be `## Recap`, `## Check yourself`, `## Exercises`")
    return found + quiz_findings(texts, stem)


def quiz_findings(texts, stem):
    """The quizzes of a chapter: readable, labelled, under `## Check yourself`, three to six."""
    prefix, labels, found, section = f"quiz-{stem[:2]}-", [], [], ""
    for index, text in texts:
        section = (HEADING.findall(text) or [section])[-1]
        try:
            here = [quiz.label for quiz in quizzes_in(text)]
        except ValueError as error:
            return [*found, f"cell {index + 1}: {error}"]
        wrong = [label for label in here if not label.startswith(prefix)]
        found += [f"cell {index + 1}: {label} must begin with {prefix}" for label in wrong]
        if here and section != "Check yourself":
            found.append(f"cell {index + 1}: {here[0]} stands outside of `## Check yourself`")
        labels += here
    found += [f"{label} is given twice" for label in set(labels) if labels.count(label) > 1]
    if not QUIZZES[0] <= len(labels) <= QUIZZES[1]:
        found.append(f"has {len(labels)} quizzes; a chapter has {QUIZZES[0]} to {QUIZZES[1]}")
    return found


def no_quiz(nb):
    """A problem set holds neither quizzes nor demonstrations of claims."""
    found = []
    for number, cell in enumerate(nb.cells, 1):
        if cell.cell_type == "markdown" and QUIZ.search(cell.source):
            found.append(f"cell {number}: a quiz belongs in a chapter")
        if any(tag.startswith("claim-") for tag in tags(cell)):
            found.append(f"cell {number}: a claim is demonstrated in a chapter")
    return found
