"""MyST inside a paragraph, as plain Markdown: roles, displayed equations, links.

Code and mathematics in a line stay as they are.
"""

import re

INLINE = re.compile(
    r"\{(?P<role>[\w:-]+)\}(?P<tick>`+)(?P<body>[^\n]+?)(?P=tick)"
    r"|(?P<code>(?P<quote>`+)(?!`)[^\n]+?(?<!`)(?P=quote)(?!`))"
    r"|\$\$(?P<display>.+?)\$\$(?:[ \t]*\((?P<label>[^)\s]+)\))?"
    r"|(?P<math>(?<!\\)\$[^$\n]+?(?<!\\)\$)"
    r"|\]\((?P<target>[^)\s]+)\)",
    re.DOTALL,
)
WITH_TEXT = re.compile(r"(.+?)\s*<(.+)>")
TARGET = re.compile(r"(?m)^\([\w:.-]+\)=[ \t]*\n?")
# What must not be left: the marks of MyST outside of code and mathematics.
LEFT = re.compile(
    r"(?m)\{[\w:-]+\}`|^\s*[`~:]{3,}\s*\{[^\n]*|^\([\w:.-]+\)=|^\s*:[\w-]+:(?:\s|$)|^\s*:{3,}|"
    r"\[\^[^\]]+\]|\$\$[ \t]*\([a-z]+-[^)]*\)|[\])]\{[^}\n]*\}|^\+\+\+|^%(?:\s|$)|\]\(\.\.?/"
)


def plain_inline(text, book, held):
    """The text with everything between its fences turned into Markdown.

    book: a `Book`.  held: the labels that the notebook itself holds.
    Raises ValueError for an unknown role, label, key or page.
    """

    def replace(match):
        if match["role"]:
            return _role(match["role"], match["body"], book, held)
        if match["display"]:
            return _display(match["display"], match["label"], book)
        if match["target"]:
            return f"]({book.link(match['target'])})"
        return match[0]

    return INLINE.sub(replace, TARGET.sub("", text))


def left_over(text):
    """The first mark of MyST in a text, or None; code and mathematics are not looked at."""
    kept = INLINE.sub(lambda m: m[0] if m["role"] or m["target"] else "", _without_fences(text))
    bare = re.sub(r"\$\$.+?\$\$", "", text, flags=re.DOTALL)
    labelled = re.search(r"\$\$[ \t]*\([a-z]+-[^)\s]*\)", text)
    found = labelled or LEFT.search(kept) or re.search(r"(?m)^\s*[`~:]{3,}\s*\{[^\n]*", bare)
    return found[0].strip() if found else None


def _without_fences(text):
    """The text without the bodies of its fenced code."""
    return re.sub(r"(?ms)^([ >]*)(`{3,}|~{3,})(?!\s*\{)[^\n]*\n.*?^\1\2[ \t]*$", "", text)


def _role(role, body, book, held):
    named = WITH_TEXT.fullmatch(body)
    words, target = named.groups() if named else ("", body)
    if role == "eq":
        return book.equation(body, held)
    if role in ("cite", "cite:p"):
        return book.cite(body)
    if role == "cite:t":
        return book.cite(body, in_text=True)
    if role == "doc":
        return f"[{words or book.title(target)}]({book.link(target)})"
    if role in ("ref", "numref") and target in book.exercises:
        return words or book.exercise(target, held)
    if role == "ref" and words:
        return words
    if role in ("math", "code"):
        return f"${body}$" if role == "math" else f"`{body}`"
    raise ValueError(f"no rule turns {{{role}}}`{body}` into Markdown")


def _display(tex, label, book):
    """The equation with its number as a tag."""
    if not label:
        return f"$${tex}$$"
    if label not in book.equations:
        raise ValueError(f"'{label}' names no equation")
    end = tex[len(tex.rstrip()) :]
    return f"$${tex.rstrip()} \\tag{{{book.equations[label][0]}}}{end}$$"
