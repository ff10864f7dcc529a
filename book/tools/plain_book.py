"""What the pages of the book refer to, as a notebook outside of the book can show it.

Equations and exercises keep the numbers that they have on the site, `(3.4)` or `Exercise 3.1`.
What a notebook does not hold itself becomes a link to the site, whose address follows from
`repository.url` in `_config.yml`.
"""

import posixpath
import re
from pathlib import Path

import yaml
from address import FORM, configured_address
from equations import displays
from nb_exercises import LABEL, TASK
from nb_text import notebook_files, read_notebook
from pybtex.database import parse_file
from pybtex.richtext import Text

IMAGES = {".svg", ".png", ".jpg", ".jpeg", ".gif"}
TITLE = re.compile(r"(?m)^# (.*)$")


def prefix_of(stem):
    """What leads the numbers of a notebook: 3 for 03_gaussian_kl, A for set_a_core."""
    chapter, letter = re.match(r"(\d+)_", stem), re.match(r"set_([a-z])_", stem)
    return str(int(chapter[1])) if chapter else letter[1].upper() if letter else stem


class Book:
    """The numbers, pages and sources of the book at `root`."""

    def __init__(self, root):
        self.root = Path(root)
        self.address = configured_address(root)
        owner, repo = FORM.fullmatch(self.address).groups()
        config = yaml.safe_load((self.root / "_config.yml").read_text(encoding="utf-8"))
        branch = config["repository"].get("branch", "main")
        self.site = f"https://{owner}.github.io/{repo}"
        self.raw = f"https://raw.githubusercontent.com/{owner}/{repo}/{branch}"
        self.equations, self.exercises, self.titles = {}, {}, {}
        for path in notebook_files(root):
            self._read(path.stem, read_notebook(path))
        bibliography = self.root / "book" / "references.bib"
        self.entries = parse_file(str(bibliography)).entries if bibliography.is_file() else {}

    def _read(self, stem, nb):
        texts = [cell.source for cell in nb.cells if cell.cell_type == "markdown"]
        self.titles[stem] = next((t for text in texts for t in TITLE.findall(text)), stem)
        labels = [label for text in texts for _, label in displays(text) if label]
        tasks = [m[1] for text in texts if TASK.search(text) and (m := LABEL.search(text))]
        for found, names in ((self.equations, labels), (self.exercises, tasks)):
            for count, name in enumerate(names, 1):
                found[name] = (f"{prefix_of(stem)}.{count}", stem)

    def page(self, path, fragment=""):
        """The address of a page, named from the repository's top without its ending."""
        return f"{self.site}/{path}.html" + (f"#{fragment}" if fragment else "")

    def equation(self, label, held):
        """`(3.4)`, as a link to the chapter where the notebook does not hold the equation."""
        number, stem = _known(self.equations, label, "equation")
        link = self.page(f"notebooks/{stem}", f"equation-{label}")
        return f"({number})" if label in held else f"[({number})]({link})"

    def exercise(self, label, held):
        """`Exercise 3.1`, as a link where it stands in another notebook."""
        number, stem = _known(self.exercises, label, "exercise")
        link = self.page(f"notebooks/{stem}", label)
        return f"Exercise {number}" if label in held else f"[Exercise {number}]({link})"

    def link(self, target):
        """The absolute form of a link or of a picture's address that starts in `notebooks/`."""
        if re.match(r"[a-z]+:", target) or target.startswith("#"):
            return target
        path, _, fragment = target.partition("#")
        path = posixpath.normpath(posixpath.join("notebooks", path))
        if posixpath.splitext(path)[1] in IMAGES:
            if not (self.root / path).is_file():
                raise ValueError(f"the picture {path} does not exist")
            return f"{self.raw}/{path}"
        page = re.sub(r"\.(md|ipynb|html)$", "", path)
        if not any((self.root / f"{page}.{ending}").is_file() for ending in ("md", "ipynb")):
            raise ValueError(f"the link {target} leads to no page of the book")
        return self.page(page, fragment)

    def title(self, target):
        """The title of the page that a {doc} role names."""
        path = posixpath.normpath(posixpath.join("notebooks", target))
        if (stem := posixpath.basename(path)) in self.titles:
            return self.titles[stem]
        file = self.root / f"{path}.md"
        found = TITLE.search(file.read_text(encoding="utf-8")) if file.is_file() else None
        if found is None:
            raise ValueError(f"{{doc}} names {target}, which is no page of the book")
        return found[1]

    def cite(self, keys, in_text=False):
        """(Authors, year) of each key, linked to its source where the bibliography knows one.

        in_text: Authors (year), as a part of the sentence.
        """
        found = []
        for key in (key.strip() for key in keys.split(",")):
            entry = _known(self.entries, key, "entry of references.bib")
            authors, year = _authors(entry), entry.fields.get("year", "undated")
            words = f"{authors} ({year})" if in_text else f"{authors}, {year}"
            url = entry.fields.get("url")
            if not url and "doi" in entry.fields:
                url = f"https://doi.org/{entry.fields['doi']}"
            found.append(f"[{words}]({url})" if url else words)
        return ", ".join(found) if in_text else f"({'; '.join(found)})"


def _known(names, name, kind):
    if name not in names:
        raise ValueError(f"'{name}' names no {kind}")
    return names[name]


def _authors(entry):
    """'Kingma and Welling', 'Burda et al.'"""
    people = entry.persons.get("author") or entry.persons.get("editor") or []
    names = [
        " ".join(str(Text.from_latex(part)) for part in person.prelast_names + person.last_names)
        for person in people
    ]
    if not names:
        raise ValueError(f"{entry.key} has no author")
    return names[0] + " et al." if len(names) > 2 else " and ".join(names)
