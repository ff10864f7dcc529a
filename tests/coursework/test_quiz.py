"""Quizzes as text: the parser names what is wrong, and every chapter's quizzes are sound."""

import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
_spec = importlib.util.spec_from_file_location("quiz_text", ROOT / "book/tools/quiz_text.py")
quiz_text = sys.modules["quiz_text"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(quiz_text)
Option, Quiz = quiz_text.Option, quiz_text.Quiz

SOUND = """````{quiz} What does $\\beta = 2$ do?
:label: quiz-12-beta

- [ ] It doubles the
  learning rate.

  No: an optimiser does not notice.
- [x] It charges every nat twice.

  Yes. β counts it:

  ```python
  loss = d + 2 * r
  ```
````"""


# ---- the parser ----


def test_quiz_is_read():
    assert quiz_text.parse_quiz(SOUND.splitlines()) == Quiz(
        "What does $\\beta = 2$ do?",
        (
            Option("It doubles the learning rate.", False, "An optimiser does not notice."),
            Option(
                "It charges every nat twice.",
                True,
                "β counts it:\n\n```python\nloss = d + 2 * r\n```",
            ),
        ),
        "quiz-12-beta",
    )


def test_options_know_their_lines():
    """A warning inside an explanation must name its line: 0 is the first line of the body."""
    quiz = quiz_text.parse_quiz(SOUND.splitlines())
    assert [option.line for option in quiz.options] == [4, 7]


@pytest.mark.parametrize("fence", ["````", "~~~", ":::"])
def test_each_kind_of_fence_is_read(fence):
    quiz = quiz_text.parse_quiz(SOUND.splitlines())
    assert quiz_text.quizzes_in(SOUND.replace("````", fence)) == [quiz]


@pytest.mark.parametrize(
    "why, shown",
    [
        ("No: the sum.", "The sum."),
        ("Right. $x$ is.", "$x$ is."),
        ("Yes: β scales.", "β scales."),
        ("Not quite: it is.", "It is."),
        ("No nat is lost.", "No nat is lost."),
        ("Yesterday: it was.", "Yesterday: it was."),
    ],
)
def test_verdict_is_left_to_the_page(why, shown):
    options = ["- [x] A", "", f"  {why}", "- [ ] B", "", "  B is wrong."]
    assert quiz_text.make_quiz("Q", "quiz-a", options).options[0].why == shown


WRONG = "- [ ] {}\n\n  No: because.\n"
RIGHT = "- [x] {}\n\n  Yes: because.\n"
FAULTS = {
    "no question": ("", "quiz-12-a", RIGHT + WRONG, "it has no question"),
    "no label": ("Why?", "", RIGHT + WRONG, "is no name such as quiz-12-beta"),
    "label of an exercise": ("Why?", "ex-12-a", RIGHT + WRONG, "is no name such as quiz-12-beta"),
    "none right": ("Why?", "quiz-12-a", WRONG + WRONG, "0 options are marked right"),
    "two right": ("Why?", "quiz-12-a", RIGHT + WRONG + RIGHT, "2 options are marked right"),
    "no options": ("Why?", "quiz-12-a", "", "its options count 0, expected 2 to 5"),
    "one option": ("Why?", "quiz-12-a", RIGHT, "its options count 1, expected 2 to 5"),
    "six options": ("Why?", "quiz-12-a", RIGHT + 5 * WRONG, "its options count 6, expected 2 to 5"),
    "not explained": ("Why?", "quiz-12-a", RIGHT + "- [ ] {}\n", "'D1' is not explained"),
    "explained without a gap": (
        "Why?", "quiz-12-a", RIGHT + "- [ ] {}\n  No: because.\n", "is not explained",
    ),
    "a mark without its space": (
        "Why?", "quiz-12-a", RIGHT + WRONG + "- [] {}\n", "'- [] D2' is neither an option",
    ),
    "a list without marks": ("Why?", "quiz-12-a", "- {}\n", "'- D0' stands before the first"),
    "explanation not indented": (
        "Why?", "quiz-12-a", RIGHT + "- [ ] {}\n\nNo: because.\n", "'No: because.' is neither",
    ),
    "text before the options": ("Why?", "quiz-12-a", "So:\n" + RIGHT + WRONG, "'So:' stands"),
    "the same option twice": (
        "Why?", "quiz-12-a", RIGHT + WRONG.format("D0"), "two options have the same text",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_named(fault):
    question, label, body, problem = FAULTS[fault]
    body = body.format(*(f"D{i}" for i in range(9))).splitlines()
    with pytest.raises(ValueError, match=re.escape(problem)) as error:
        quiz_text.make_quiz(question, label, body)
    text = str(error.value)
    assert text.startswith(f"quiz '{label or question}': ")
    assert text.endswith(".") and "\n" not in text


def test_block_that_is_no_quiz_is_named():
    with pytest.raises(ValueError, match="a quiz begins with a line"):
        quiz_text.parse_quiz(["```{exercise} By hand", "```"])


def test_quizzes_of_a_text_are_found_in_order():
    second = SOUND.replace("quiz-12-beta", "quiz-12-two").replace("````", "~~~")
    example = f"`````\n{SOUND}\n`````\n"
    found = quiz_text.quizzes_in(f"# Title\n\n{SOUND}\n\nText.\n\n{example}\n{second}\n")
    assert [quiz.label for quiz in found] == ["quiz-12-beta", "quiz-12-two"]


@pytest.mark.parametrize(
    "text, problem",
    [
        (SOUND.removesuffix("\n````"), "the quiz has no end"),
        (SOUND.replace("````", "```"), "give the quiz a longer fence"),
        (SOUND.replace("$\\beta = 2$", "`beta = 2`"), "code in a question needs ~~~"),
    ],
)
def test_quiz_that_the_page_would_not_show_as_one_is_named(text, problem):
    with pytest.raises(ValueError, match=problem):
        quiz_text.quizzes_in(text)


# ---- the chapters ----


def markdown(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


def place_of_right(quiz):
    return next(i for i, option in enumerate(quiz.options) if option.right)


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
class TestEveryChapter:
    def test_asks_three_to_six_questions(self, path):
        assert 3 <= len(quiz_text.quizzes_in(markdown(path))) <= 6

    def test_shows_as_a_quiz_what_is_meant_as_one(self, path):
        text = markdown(path)
        assert text.count("{quiz}") == len(quiz_text.quizzes_in(text))

    def test_asks_between_recap_and_exercises(self, path):
        titles = re.findall(r"(?m)^## (Recap|Check yourself|Exercises|.)", markdown(path))
        start = titles.index("Recap")
        assert titles[start : start + 3] == ["Recap", "Check yourself", "Exercises"]
        parts = re.split(r"(?m)^## Check yourself$|^## Exercises$", markdown(path))
        assert [part.count("{quiz}") > 0 for part in parts] == [False, True, False]

    def test_puts_the_right_answer_at_varying_places(self, path):
        quizzes = quiz_text.quizzes_in(markdown(path))
        assert len({place_of_right(quiz) for quiz in quizzes}) > 1

    def test_labels_its_quizzes_with_its_number(self, path):
        labels = [quiz.label for quiz in quiz_text.quizzes_in(markdown(path))]
        assert len(set(labels)) == len(labels) > 0
        assert all(label.startswith(f"quiz-{path.stem[:2]}-") for label in labels)

    def test_does_not_give_the_answer_away_by_its_length(self, path):
        """Where the right option is the longest in every quiz, a reader need not think."""
        quizzes = quiz_text.quizzes_in(markdown(path))
        longest = [max(q.options, key=lambda option: len(option.text)).right for q in quizzes]
        assert not all(longest)
