"""A code cell that demonstrates a claim of the appendix carries a tag, and can be linked to by it.

The link is checked like any other: {ref}`words <claim-name>` fails the build where no cell has it.
"""

from docutils import nodes
from sphinx.transforms import SphinxTransform


class NameClaimCells(SphinxTransform):
    """Give each cell tagged claim-NAME that name as its id and as a label of the book."""

    default_priority = 500  # before Sphinx collects the labels of a document

    def apply(self, **kwargs):
        for cell in self.document.findall(nodes.container):
            for tag in cell.get("cell_metadata", {}).get("tags", []):
                if tag.startswith("claim-"):
                    cell["names"].append(tag)
                    self.document.note_explicit_target(cell)
