"""MyST blocks as plain Markdown, which Colab and JupyterLab show without an extension."""

import re
import textwrap
from dataclasses import dataclass

from plain_inline import plain_inline
from quiz_text import make_quiz

FENCE = re.compile(r"^([ \t]*)(`{3,}|~{3,}|:{3,})[ \t]*(.*)$")
DIRECTIVE = re.compile(r"\{([\w:-]+)\}[ \t]*(.*)")
SETTING = re.compile(r"[ \t]*:([\w-]+):[ \t]*(.*)")
BOXES = {"note", "tip", "hint", "important", "warning", "caution"}


@dataclass(frozen=True)
class Directive:
    """A fenced block with a name: `settings` are its `:key: value` lines, `body` the others."""

    name: str
    argument: str
    settings: dict
    body: list


def plain_markdown(source, book, held):
    """One Markdown cell without MyST.

    book: a `Book`.  held: the labels that the notebook itself holds.
    Raises ValueError, which names the directive, role or label, where no rule fits.
    """
    lines = source.split("\n")
    return "\n".join(_plain(lines, book, held)).strip("\n")


def _plain(lines, book, held):
    """The lines, block by block: text, fenced code as it is, directives by their rules."""
    out, text, at = [], [], 0
    while at < len(lines):
        fence = FENCE.match(lines[at])
        inline = fence is not None and fence[2][0] == "`" and "`" in fence[3]
        if inline and DIRECTIVE.match(fence[3]):
            raise ValueError(f"'{lines[at].strip()}': code in a title needs ~~~ for the fence")
        if fence is None or inline:
            text.append(lines[at])
            at += 1
            continue
        end = _closing(lines, at, fence)
        block = lines[at + 1 : end]
        named = DIRECTIVE.fullmatch(fence[3].strip())
        out += _paragraphs(text, book, held)
        text = []
        if named:
            made = _directive(_read(named, block, fence[1]), book, held)
            out += [fence[1] + line if line else "" for line in made]
        else:
            out += lines[at : end + 1]
        at = end + 1
    return out + _paragraphs(text, book, held)


def _closing(lines, at, fence):
    """The index of the line that closes a fence."""
    mark = re.compile(rf"[ \t]*{re.escape(fence[2][0])}{{{len(fence[2])},}}[ \t]*")
    for index in range(at + 1, len(lines)):
        if mark.fullmatch(lines[index]):
            return index
    raise ValueError(f"'{lines[at].strip()}' is never closed")


def _paragraphs(lines, book, held):
    return plain_inline("\n".join(lines), book, held).split("\n") if lines else []


def _read(named, block, indent):
    block = textwrap.dedent("\n".join(block)).split("\n") if indent else list(block)
    settings = {}
    while block and (setting := SETTING.fullmatch(block[0])):
        settings[setting[1]] = setting[2].strip()
        block.pop(0)
    return Directive(named[1], named[2].strip(), settings, block)


# -- the rules ------------------------------------------------------------------------------------


def _directive(block, book, held):
    rules = {
        "exercise": _exercise, "quiz": _quiz, "admonition": _box, "dropdown": _folded,
        "figure": _figure, "image": _figure, "code-block": _code, "code": _code,
    }  # fmt: skip
    rule = _box if block.name in BOXES else rules.get(block.name)
    if rule is None:
        raise ValueError(f"no rule turns the directive {{{block.name}}} into Markdown")
    return rule(block, book, held)


def _exercise(block, book, held):
    label = block.settings["label"]
    title = plain_inline(block.argument, book, held)
    heading = f"### {book.exercise(label, {label})}: {title}"
    return [heading, "", f"`{label}`", "", *_body(block, book, held)]


def _box(block, book, held):
    """A quotation with a bold title; its equations on one line, or `>` would enter them."""
    title = plain_inline(block.argument, book, held) or block.name.capitalize()
    text = "\n".join(_body(block, book, held))
    text = re.sub(r"\$\$.+?\$\$", lambda m: " ".join(m[0].split()), text, flags=re.DOTALL)
    return [f"> **{title}**", ">", *(f"> {line}".rstrip() for line in text.split("\n"))]


def _folded(block, book, held):
    title = plain_inline(block.argument, book, held) or "More"
    return _details(title, _body(block, book, held))


def _details(title, lines):
    return ["<details>", f"<summary>{title}</summary>", "", *lines, "", "</details>"]


def _figure(block, book, held):
    alt = block.settings.get("alt") or "figure"
    caption = _body(block, book, held)
    return [f"![{alt}]({book.link(block.argument)})", *(["", *caption] if caption else [])]


def _code(block, book, held):
    return [f"```{block.argument}", *block.body, "```"]


def _quiz(block, book, held):
    """The question, its options with letters, and below them the answers, folded."""
    quiz = make_quiz(block.argument, block.settings.get("label", ""), block.body)
    options, answers = [], []
    for letter, option in zip("ABCDE", quiz.options, strict=False):
        options.append(f"- **{letter}.** {plain_inline(option.text, book, held)}")
        verdict = "Right." if option.right else "Not quite."
        why = plain_inline(option.why, book, held).replace("\n", "\n  ")
        answers.append(f"- **{letter}.** {verdict} {why}")
    question = plain_inline(quiz.question, book, held)
    return [f"**{question}**", "", *options, "", *_details("Answers", answers)]


def _body(block, book, held):
    text = "\n".join(_plain(block.body, book, held)).strip("\n")
    return text.split("\n") if text else []
