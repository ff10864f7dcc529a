"""The book's own Sphinx extension.

Small things that Jupyter Book does not do:
1. MathJax is copied into the site, so that a page asks nothing of the network.
2. Drawings under ``book/figures`` go into the page as inline SVG and follow the colour theme.
3. A text output of more than LONG_OUTPUT lines is folded.
4. Docstrings are shown as the plain text they are, not parsed as reStructuredText.
5. Equations, figures and exercises are numbered by chapter: (8.3), Fig. 8.3, Exercise 8.3.
6. A mark beneath each tested equation leads to what checks it (checked_marks.py).
7. A cell that demonstrates a claim of the appendix can be linked to (claim_cells.py).
8. Self-test quizzes: a question whose options explain themselves when chosen (quiz.py).
9. Two faults of other extensions are mended: thebe's scripts, the ids of exercises.
"""

import html
import importlib.util
import re
import shutil
from pathlib import Path

from checked_marks import MarkCheckedEquations
from claim_cells import NameClaimCells
from docutils import nodes
from inline_svg import inline_svg
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
FIGURES = "book/figures/"
LONG_OUTPUT, LONG_TRACEBACK = 30, 8  # lines


def copy_mathjax(app, exception):
    """Copy MathJax and its fonts (1.7 of the package's 24 MB) to ``_static/mathjax``."""
    if exception is not None or app.builder.format != "html":
        return
    package = importlib.util.find_spec("sphinx-mathjax-offline")  # its real name has hyphens
    if package is None:
        raise RuntimeError("MathJax is missing: pip install -r requirements.txt")
    source = Path(package.origin).parent / "static" / "mathjax"
    target = Path(app.outdir) / "_static" / "mathjax"
    fonts = Path("output", "chtml", "fonts", "woff-v2")
    shutil.copytree(source / fonts, target / fonts, dirs_exist_ok=True)
    shutil.copy2(source / "tex-chtml-full.js", target)


class InlineFigures(SphinxPostTransform):
    """Replace an image of ``book/figures/*.svg`` by the drawing itself."""

    default_priority = 5  # before Sphinx collects the images that it must copy
    formats = ("html",)

    def run(self, **kwargs):
        images = [n for n in self.document.findall(nodes.image) if self.is_figure(n["uri"])]
        for number, node in enumerate(images, start=1):
            alt = node.get("alt", "").strip()
            if not alt:
                LOGGER.warning("figure %s has no alt text", node["uri"], location=node)
            text = (Path(self.app.srcdir) / node["uri"]).read_text(encoding="utf-8")
            drawing = inline_svg(text, f"vb-figure-{number}", alt)
            node.replace_self(nodes.raw("", drawing, format="html"))

    @staticmethod
    def is_figure(uri: str) -> bool:
        return uri.startswith(FIGURES) and uri.endswith(".svg")


class FoldLongOutputs(SphinxPostTransform):
    """Put a long text output into a closed ``<details>``; of an error the last line stays seen."""

    default_priority = 6
    formats = ("html",)

    def run(self, **kwargs):
        for node in list(self.document.findall(nodes.literal_block)):
            lines = node.astext().rstrip("\n").split("\n")
            error = "traceback" in node["classes"]
            limit = LONG_TRACEBACK if error else LONG_OUTPUT
            if "output" not in node["classes"] or len(lines) <= limit:
                continue
            title = f"<code>{html.escape(lines[-1])}</code>" if error else "Output"
            opening = f'<details class="vb-long"><summary>{title}, {len(lines)} lines</summary>'
            where = node.parent.index(node)
            node.parent.insert(where + 1, nodes.raw("", "</details>", format="html"))
            node.parent.insert(where, nodes.raw("", opening, format="html"))


class DropRepeatedIds(SphinxPostTransform):
    """sphinx-exercise gives every exercise of a page the same inner id; nothing refers to it."""

    default_priority = 7
    formats = ("html",)

    def run(self, **kwargs):
        for node in self.document.findall(nodes.section):
            if node["ids"] in (["exercise-content"], ["solution-content"]):
                node["ids"] = []


def number_by_chapter(app, env):
    """Sphinx counts on through the book; here the notebook's own number leads, as in (8.3).

    Chapters need not follow one another, so the number comes from the file's name. A problem
    set has its letter: A.3.
    """
    for document, kinds in env.toc_fignumbers.items():
        name = re.match(r"notebooks/(?:(\d+)|set_([a-z]))_", document)
        own = name and (int(name[1]) if name[1] else name[2].upper())
        for ids in kinds.values() if name else ():
            for count, key in enumerate(sorted(ids, key=ids.get), start=1):
                ids[key] = (own, count)
    return []


def drop_thebe(app):
    """Jupyter Book always loads sphinx-thebe, whose script fails and points to a foreign host."""
    for event in ("env-before-read-docs", "doctree-resolved"):
        for listener in list(app.events.listeners[event]):
            if getattr(listener.handler, "__module__", "") == "sphinx_thebe":
                app.disconnect(listener.id)


def _escape(text: str) -> str:
    """Take the meaning of reStructuredText's marks away, but keep `code` as code."""
    parts = re.split(r"`+([^`]+)`+", text)
    prose = (re.sub(r"([\\*`|_])", r"\\\1", part).replace("::", ":\\:") for part in parts[::2])
    code = (f"``{part.strip()}``\\ " for part in parts[1::2])
    return "".join(x for pair in zip(prose, [*code, ""], strict=True) for x in pair)


def plain_docstring(app, what, name, obj, options, lines):
    """Paragraphs stay paragraphs; a block with indented lines keeps its layout."""
    out = []
    for block in re.split(r"\n\s*\n", "\n".join(lines).strip("\n")):
        if re.search(r"^\s", block, flags=re.MULTILINE):
            out += ["::", "", *("    " + line for line in block.split("\n")), ""]
        elif block:
            # The leading escape keeps "1. ..." or "- ..." from becoming a list.
            out += ["\\ " + _escape(" ".join(block.split("\n"))), ""]
    lines[:] = out


def plain_signature(app, what, name, obj, options, signature, returns):
    """A class without an __init__ of its own takes no arguments; it does not take *args."""
    inherited = what == "class" and (signature or "").startswith("(*args")
    return ("()" if inherited else signature), returns


def skip_field_aliases(app, what, name, obj, skip, options):
    """The fields of a named tuple say nothing more than "Alias for field number 0"."""
    return True if (getattr(obj, "__doc__", "") or "").startswith("Alias for field") else skip


def setup(app):
    """Register everything; called by Sphinx."""
    app.add_transform(NameClaimCells)
    app.add_post_transform(InlineFigures)
    app.add_post_transform(FoldLongOutputs)
    app.add_post_transform(DropRepeatedIds)
    app.add_post_transform(MarkCheckedEquations)
    app.setup_extension("quiz")
    drop_thebe(app)
    app.connect("autodoc-process-docstring", plain_docstring)
    app.connect("autodoc-process-signature", plain_signature)
    app.connect("autodoc-skip-member", skip_field_aliases)
    app.connect("env-get-updated", number_by_chapter, priority=900)  # after Sphinx has counted
    app.connect("build-finished", copy_mathjax)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
