"""Self-test quizzes: one question, a few options, each explained as soon as it is chosen.

The options are native radio buttons and style rules show the explanation of the chosen one, so
a quiz needs no script, no kernel and no storage. Without styles all explanations are shown.

    ```{quiz} QUESTION      (book/tools/quiz_text.py states the rest of the form)

What is parsed are ordinary nodes, a paragraph and a list, which every builder can write. For
HTML a transform turns them into form controls.
"""

import sys
from pathlib import Path
from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

sys.path.append(str(Path(__file__).resolve().parents[1] / "tools"))  # at home beside the parser
from quiz_text import make_quiz

LOGGER = logging.getLogger(__name__)
VERDICTS = {True: "Right.", False: "Not quite."}


class QuizDirective(SphinxDirective):
    """Parse a quiz; one that breaks the rules is a warning with its place."""

    has_content = True
    optional_arguments = 1
    final_argument_whitespace = True
    option_spec: ClassVar = {"label": directives.unchanged}

    def run(self):
        question = self.arguments[0] if self.arguments else ""
        try:
            quiz = make_quiz(question, self.options.get("label", ""), list(self.content))
        except ValueError as error:
            LOGGER.warning("%s", error, location=self.get_location())
            return []
        options = nodes.bullet_list("", *map(self._item, quiz.options), bullet="-")
        box = nodes.container("", self._inline(quiz.question), options, is_quiz=True)
        box["names"].append(quiz.label)
        self.set_source_info(box)
        self.state.document.note_explicit_target(box)
        return [box]

    def _inline(self, text):
        found, messages = self.state.inline_text(text, self.lineno)
        return nodes.paragraph("", "", *found, *messages)

    def _item(self, option):
        item = nodes.list_item("", self._inline(option.text), is_right=option.right)
        lines = StringList(option.why.split("\n"), source=self.get_source_info()[0])
        why = nodes.container()
        self.state.nested_parse(lines, self.content_offset + option.line, why)
        verdict = nodes.strong("", VERDICTS[option.right], classes=["vb-quiz-verdict"])
        if why.children and isinstance(why[0], nodes.paragraph):
            why[0][:0] = [verdict, nodes.Text(" ")]
        else:
            why.insert(0, nodes.paragraph("", "", verdict))
        item += why
        return item


class element(nodes.Element):
    """One HTML element: its `tag`, and in `html` the attributes beside id and class."""


def visit_element(self, node):
    """Write the opening tag."""
    self.body.append(self.starttag(node, node["tag"], "", **node["html"]))


def depart_element(self, node):
    """Write the closing tag, but for an input, which has none."""
    self.body.append("" if node["tag"] == "input" else f"</{node['tag']}>\n")


def make(tag, classes, children=(), ids=(), **html):
    """An element node; `for_` and `aria_live` become the attributes for and aria-live."""
    html = {key.rstrip("_").replace("_", "-"): value for key, value in html.items()}
    return element("", *children, tag=tag, html=html, ids=list(ids), classes=classes.split())


class DrawQuizzes(SphinxPostTransform):
    """Turn the paragraph and the list of a quiz into a group of radio buttons."""

    default_priority = 9
    formats = ("html",)

    def run(self, **kwargs):
        for box in list(self.document.findall(nodes.container)):
            if box.get("is_quiz"):
                question, options = box.children
                name = box["ids"][0]
                rows = [self.row(name, i, item) for i, item in enumerate(options, start=1)]
                legend = make("legend", "vb-quiz-question", question.children)
                box.replace_self(make("fieldset", "vb-quiz", [legend, *rows], box["ids"]))

    @staticmethod
    def row(name, number, item):
        """One option: its button, its label, and its explanation in a live region."""
        id_ = f"{name}-{number}"
        text, why = item.children
        parts = [
            # Firefox would keep the choice over a reload.
            make("input", "", ids=[id_], type="radio", name=name, autocomplete="off"),
            make("label", "", text.children, for_=id_),
            make("div", "", [make("div", "vb-quiz-why", why.children)], aria_live="polite"),
        ]
        return make("div", "vb-quiz-option" + " vb-quiz-right" * item["is_right"], parts)


def setup(app):
    """Register everything; called by vae_book.py through Sphinx."""
    app.add_directive("quiz", QuizDirective)
    app.add_node(element, html=(visit_element, depart_element))
    app.add_post_transform(DrawQuizzes)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
