"""Static checks of a notebook's Markdown: headings, alt text, tone."""

import re

# Fenced directives whose body is code or mathematics; the body of any other one is prose.
NOT_PROSE = {"math", "code", "code-block", "literalinclude", "raw", "mermaid", "bibliography"}
FENCE = re.compile(r"^\s*(`{3,}|~{3,}|:{3,})\s*(?:\{([\w:-]+)\})?(.*)$")
NO_PROSE_INLINE = re.compile(
    r"<!--.*?-->|\$\$.*?\$\$|\\begin\{(\w+\*?)\}.*?\\end\{\1\}|(?<!\\)\$[^$\n]+?(?<!\\)\$|"
    r"(`+)(?!`).+?(?<!`)\2(?!`)",
    re.DOTALL,
)
IMAGE = re.compile(r"!\[([^\]]*)\]\(")
HTML_IMAGE = re.compile(r"<img\b[^>]*>", re.IGNORECASE)
HEADING = re.compile(r"^(#{1,6})\s+\S")


def prose(source):
    """The Markdown without code, mathematics and comments, line breaks kept where they matter."""
    kept, fences = [], []
    for line in source.splitlines():
        match = FENCE.match(line)
        if match and fences and match[1].startswith(fences[-1][0]) and not (match[2] or match[3]):
            fences.pop()
        elif match and not (fences and not fences[-1][1]):
            is_prose = bool(match[2]) and match[2] not in NOT_PROSE
            fences.append((match[1], is_prose))
            if is_prose:
                kept.append(match[3])
        elif all(is_prose for _, is_prose in fences):
            kept.append(line)
    return NO_PROSE_INLINE.sub("", "\n".join(kept))


def prose_findings(nb):
    """Headings that skip or miss, exclamation marks, pictures without alt text."""
    found, level, titles = [], 0, 0
    cells = [(i, c) for i, c in enumerate(nb.cells, 1) if c.cell_type == "markdown"]
    for position, (number, cell) in enumerate(cells):
        text = prose(cell.source)
        headings = [m for m in map(HEADING.match, text.splitlines()) if m]
        if position == 0 and not (headings and _starts_with_title(text)):
            found.append(f"cell {number}: the first text must start with one `# ` heading")
        for heading in headings:
            depth = len(heading[1])
            titles += depth == 1
            if depth > level + 1 and level:
                found.append(f"cell {number}: heading level {depth} follows level {level}")
            level = depth
        found += [f"cell {number}: {finding}" for finding in _text_findings(cell.source, text)]
    if titles > 1:
        found.append(f"has {titles} headings of level 1: keep one title")
    return found


def _starts_with_title(text):
    """Whether the first line is the title; a MyST label `(name)=` may stand before it."""
    lines = [line for line in text.splitlines() if line.strip()]
    while lines and re.match(r"\([\w:.-]+\)=\s*$", lines[0]):
        lines.pop(0)
    return bool(lines) and lines[0].startswith("# ")


def _text_findings(source, text):
    found = []
    if any(not alt.strip() for alt in IMAGE.findall(source)):
        found.append("an image has no alt text: write it between the brackets of `![...]`")
    if any(not re.search(r"\balt=[\"'][^\"']", tag) for tag in HTML_IMAGE.findall(source)):
        found.append('an <img> has no alt text: add alt="..."')
    for block in re.split(r"(?m)^\s*[`:~]{3,}(?=\{(?:image|figure)\})", source)[1:]:
        options = re.split(r"(?m)^\s*[`:~]{3,}\s*$", block)[0]
        if not re.search(r"(?m)^\s*:?alt:\s*\S", options):
            found.append("a figure directive has no `:alt:` line")
    tone = re.sub(r"!\[|!=", "", text)
    if "!" in tone:
        line = next(line for line in tone.splitlines() if "!" in line)
        found.append(f"exclamation mark in prose: '{line.strip()[:60]}'")
    return found
