"""A small mark beneath each equation that states a result: it leads to what checks it."""

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

APPENDIX = "book/equations"
MARK = (
    '<p class="vb-checked"><a href="{address}">'
    'checked<span class="visually-hidden">: how this equation is checked</span></a></p>'
)


class MarkCheckedEquations(SphinxPostTransform):
    """Put the mark after every displayed equation whose label begins with eq-."""

    default_priority = 8
    formats = ("html",)

    def run(self, **kwargs):
        here = self.env.docname
        if APPENDIX not in self.env.found_docs or here == APPENDIX:
            return
        page = self.app.builder.get_relative_uri(here, APPENDIX)
        for node in list(self.document.findall(nodes.math_block)):
            label = node.get("label") or ""
            if label.startswith("eq-"):
                mark = nodes.raw("", MARK.format(address=f"{page}#check-{label}"), format="html")
                node.parent.insert(node.parent.index(node) + 1, mark)
