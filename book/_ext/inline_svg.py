"""Make an SVG file fit to stand inside an HTML page, beside others of its kind."""

import re
from xml.etree import ElementTree

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"
ElementTree.register_namespace("", SVG)
ElementTree.register_namespace("xlink", XLINK)


def inline_svg(text: str, name: str, label: str) -> str:
    """The drawing as one ``<svg role="img">`` element.

    `name` becomes its id and the prefix of every id and style rule inside, so that two
    drawings on a page cannot disturb each other. `label` is what a screen reader says.
    """
    root = ElementTree.fromstring(text)
    ids = {element.get("id") for element in root.iter() if element.get("id")}
    for element in list(root):
        if element.tag in (f"{{{SVG}}}title", f"{{{SVG}}}desc", f"{{{SVG}}}metadata"):
            root.remove(element)  # the label says it; a title would pop up as a tooltip
    for element in root.iter():
        _rename(element, ids, name)
        if element.tag == f"{{{SVG}}}style":
            element.text = _scope(_rename_text(element.text or "", ids, name), name)
    _set_size(root)
    root.set("id", name)
    root.set("role", "img")
    root.set("aria-label", label)
    root.set("class", f"vb-figure {root.get('class', '')}".strip())
    return ElementTree.tostring(root, encoding="unicode")


def _rename_text(text: str, ids: set[str], name: str) -> str:
    """``url(#a)`` and ``#a`` to ``#name-a``; colours such as #abc are left alone."""
    return re.sub(
        r"#([A-Za-z_][\w.-]*)",
        lambda m: f"#{name}-{m[1]}" if m[1] in ids else m[0],
        text,
    )


def _rename(element, ids: set[str], name: str) -> None:
    for key, value in element.attrib.items():
        if key == "id":
            element.set(key, f"{name}-{value}")
        elif "url(#" in value or (key in ("href", f"{{{XLINK}}}href") and value[:1] == "#"):
            element.set(key, _rename_text(value, ids, name))


def _scope(css: str, name: str) -> str:
    """Every selector gets the drawing's id in front; at-rules keep their first line."""
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)

    def prefix(match):
        if match[1]:  # @media ... {
            return match[1]
        selectors = [s.strip() for s in match[2].split(",")]
        scoped = [f"#{name}" if s == "svg" else f"#{name} {s}" for s in selectors]
        return ", ".join(scoped) + " {"

    return re.sub(r"(@[^{}]+\{)|([^{}@]+)\{", prefix, css)


def _set_size(root) -> None:
    """As wide as drawn, or as the column where that is narrower."""
    width, height = root.attrib.pop("width", None), root.attrib.pop("height", None)
    if root.get("viewBox") is None and width and height:
        root.set("viewBox", f"0 0 {_number(width)} {_number(height)}")
    wide = float(root.get("viewBox", "0 0 720 400").split()[2])
    root.set("style", f"max-width: {wide:g}px")


def _number(length: str) -> str:
    return re.match(r"[\d.]+", length)[0]
