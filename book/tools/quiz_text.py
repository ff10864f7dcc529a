"""The text of a quiz, read without Sphinx: one question, two to five options, one of them right.

    ~~~{quiz} What does `loss.sum()` add up?
    :label: quiz-04-sum

    - [ ] The pixels of one image.

      No: why this is wrong.
    - [x] The pixels of all images in the batch.

      Yes: why this is right.
    ~~~

The page says "Right." or "Not quite." itself, so a leading "Yes:" or "No:" is taken off here.
"""

import re
import textwrap
from dataclasses import dataclass, field
from itertools import pairwise

LEAST, MOST = 2, 5  # options
FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,}|:{3,})(.*)$")
NAMED = re.compile(r"^\{quiz\}(?:\s+(.*))?$")
SETTING = re.compile(r"^:([\w-]+):\s*(.*)$")
LABEL = re.compile(r"quiz(-[a-z0-9]+)+")
OPTION = re.compile(r"^[-*+] \[([ xX])\] +(\S.*)$")
VERDICT = re.compile(r"^(?:Yes|No|Right|Not quite)[:.,]\s+(\S)")


@dataclass(frozen=True)
class Option:
    """One answer to choose; `why` explains it and begins `line` lines into the body."""

    text: str
    right: bool
    why: str
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Quiz:
    """One question with its options; `label` is its anchor in the page."""

    question: str
    options: tuple[Option, ...]
    label: str = ""


def parse_quiz(lines) -> Quiz:
    """The quiz that stands in `lines`, from its opening fence to the closing one.

    Raises ValueError with one sentence: which quiz, what is wrong and what is expected.
    """
    lines = list(lines)
    opening = FENCE.match(lines[0]) if lines else None
    named = NAMED.match(opening[2].strip()) if opening else None
    if not named:
        raise ValueError(f"a quiz begins with a line ```{{quiz}} QUESTION, not {lines[:1]}.")
    if _closes(lines[-1], opening[1]):
        lines.pop()
    body, label = lines[1:], ""
    while body and (setting := SETTING.match(body[0].strip())):
        label = setting[2] if setting[1] == "label" else label
        body.pop(0)
    return make_quiz(named[1] or "", label, body)


def make_quiz(question: str, label: str, body) -> Quiz:
    """A quiz from its question, its label and the lines of its options; errors as parse_quiz."""
    question, label = question.strip(), label.strip()
    try:
        if not question:
            raise ValueError("it has no question: write it on the first line, after {quiz}")
        if not LABEL.fullmatch(label):
            raise ValueError(f"':label: {label}' is no name such as quiz-12-beta")
        options = tuple(_options(body))
        _judge(options)
    except ValueError as error:
        raise ValueError(f"quiz '{label or question[:40]}': {error}.") from None
    return Quiz(question, options, label)


def quizzes_in(markdown: str) -> list[Quiz]:
    """All quizzes of a text, in order; one inside another fenced block is an example, no quiz."""
    found, block, fence = [], [], ""
    for line in markdown.splitlines():
        opening = FENCE.match(line)
        if fence:
            block.append(line)
            if _closes(line, fence):
                found += [parse_quiz(block)] if NAMED.match(_info(block[0])) else []
                block, fence = [], ""
        elif opening and opening[1][0] == "`" and "`" in opening[2]:
            if NAMED.match(opening[2].strip()):
                raise ValueError(f"'{line}': code in a question needs ~~~{{quiz}} for its fence.")
        elif opening:
            block, fence = [line], opening[1]
    if fence and NAMED.match(_info(block[0])):
        raise ValueError(
            f"'{block[0]}': the quiz has no end, expected {fence} on a line of its own."
        )
    return found


def _info(line: str) -> str:
    return FENCE.match(line)[2].strip()


def _closes(line: str, fence: str) -> bool:
    """Whether a line ends the block that `fence` began: the same mark, at least as often."""
    return re.fullmatch(rf" {{0,3}}{fence[0]}{{{len(fence)},}}\s*", line) is not None


def _unclosed(lines) -> bool:
    """Whether a fence begins in the lines and does not end there."""
    fence = ""
    for line in map(str.strip, lines):
        opening = FENCE.match(line)
        if fence and _closes(line, fence):
            fence = ""
        elif opening and not fence:
            fence = opening[1]
    return bool(fence)


def _options(body):
    """Split the lines of the body at the options."""
    starts = [i for i, line in enumerate(body) if OPTION.match(line)]
    for line in body[: starts[0]] if starts else body:
        if line.strip():
            raise ValueError(f"'{line}' stands before the first option, '- [ ] ...' or '- [x] ...'")
    for start, end in pairwise([*starts, len(body)]):
        yield _option(body[start], body[start + 1 : end], start)


def _option(first: str, rest, line: int) -> Option:
    """The option's own paragraph and, after an empty line, the indented explanation."""
    mark, text = OPTION.match(first).groups()
    for below in rest:
        if below.strip() and not below.startswith("  "):
            raise ValueError(f"'{below}' is neither an option, '- [ ] ...', nor indented below one")
    gap = next((i for i, below in enumerate(rest) if not below.strip()), len(rest))
    text = " ".join([text.strip(), *(below.strip() for below in rest[:gap])])
    start = next((i for i, below in enumerate(rest) if i > gap and below.strip()), None)
    if start is None:
        raise ValueError(
            f"the option '{text[:40]}' is not explained: an empty line and an indented paragraph "
            "must follow it"
        )
    why = textwrap.dedent("\n".join(rest[start:])).rstrip()
    if _unclosed(why.splitlines()):
        raise ValueError("the code in it ends the quiz too: give the quiz a longer fence, ````")
    return Option(text, mark != " ", VERDICT.sub(_capital, why), line + 1 + start)


def _capital(match) -> str:
    """The letter after the verdict begins the sentence now; a symbol such as β stays as it is."""
    return match[1].upper() if match[1].isascii() else match[1]


def _judge(options) -> None:
    right = sum(option.right for option in options)
    if not LEAST <= len(options) <= MOST:
        raise ValueError(f"its options count {len(options)}, expected {LEAST} to {MOST}")
    if right != 1:
        raise ValueError(f"{right} options are marked right with [x], expected exactly one")
    if len({option.text for option in options}) < len(options):
        raise ValueError("two options have the same text, expected different ones")
