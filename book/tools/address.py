"""The one knob for the book's home: `repository.url` in `_config.yml`.

    python book/tools/address.py                                  print it, verify every place
    python book/tools/address.py https://github.com/OWNER/REPO    write it everywhere

Derived from it: the set-up cell of every notebook, Colab links, clone and install lines, and the
fields of pyproject.toml and CITATION.cff. Moving the book needs no notebook to be executed again.
"""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
from nb_normalise import normalise
from nb_text import dump_notebook, read_notebook, write_whole

ROOT = Path(__file__).resolve().parents[2]
FORM = re.compile(r"https://github\.com/([A-Za-z0-9][A-Za-z0-9-]*)/([A-Za-z0-9._-]+)")
CONFIG_URL = re.compile(r"(?m)(^repository:[^\n]*\n(?:[ \t#][^\n]*\n|\n)*?[ \t]+url\s*:\s*)(\S+)")
# A repository as it stands in the links that can be ours: github.com, Colab, raw files.
LINK = re.compile(r"((?:github\.com|githubusercontent\.com|/github)/)([\w-]+/[\w.-]*[\w-])")
# What comes just before a link that must be ours wherever it stands.
OURS = re.compile(
    r"(colab\.research\.google\.com|git\+https://|git clone \S*|"
    r"(?i:repository|repository-code|url)[\"']?\s*[:=]\s*[\"']?https://)$"
)
TEXT_SUFFIXES = {".md", ".toml", ".yml", ".yaml", ".cff", ".txt", ".bib", ".html", ".js", ".css"}
SETUP_TAGS = ["setup", "hide-input"]
SETUP = """\
# Set-up: installs vae_lib where it is missing (Colab); does nothing elsewhere.
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("vae_lib") is None:
    source = "git+{address}"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    subprocess.run([*install, source], check=True)
    importlib.invalidate_caches()"""


# -- the address and the set-up cell --------------------------------------------------------------


def configured_address(root):
    """The address in `_config.yml`. Raises ValueError where there is none of the right form."""
    config = Path(root) / "_config.yml"
    match = CONFIG_URL.search(config.read_text(encoding="utf-8")) if config.is_file() else None
    if match is None:
        raise ValueError("_config.yml has no `repository:` with an indented `url:`")
    return checked_form(match[2].strip("\"'"))


def checked_form(address):
    """The address itself. Raises ValueError where it is not https://github.com/OWNER/REPO."""
    match = FORM.fullmatch(address)
    if match is None or match[2].endswith(".git"):
        raise ValueError(
            f"'{address}' is not of the form https://github.com/OWNER/REPO (no .git, no last slash)"
        )
    return address


def setup_source(address):
    """The text of the set-up cell, the same in every notebook."""
    return SETUP.format(address=address)


def place_setup_cell(nb, root):
    """Give `nb` the set-up cell of today: renewed where it stands, else put in before all code."""
    source = setup_source(configured_address(root))
    for cell in nb.cells:
        if cell.cell_type == "code" and "setup" in cell.metadata.get("tags", []):
            cell.source, cell.metadata.tags = source, list(SETUP_TAGS)
            return nb
    cell = nbformat.v4.new_code_cell(source, metadata={"tags": list(SETUP_TAGS)})
    first = [i for i, c in enumerate(nb.cells) if c.cell_type == "code"]
    nb.cells.insert(first[0] if first else len(nb.cells), cell)
    return nb


def setup_findings(nb, root):
    """What is wrong with the set-up cell of a notebook."""
    code = [(i, c) for i, c in enumerate(nb.cells, 1) if c.cell_type == "code"]
    mend = "run `notebooks.py update`, or `address.py` for the address alone"
    if not code or "setup" not in code[0][1].metadata.get("tags", []):
        return [f"the first code cell is not the set-up cell (tag `setup`): {mend}"]
    number, cell = code[0]
    found = []
    if cell.source != setup_source(configured_address(root)):
        found.append(f"cell {number}: the set-up cell is not the generated text: {mend}")
    if cell.outputs:
        found.append(f"cell {number}: the set-up cell has outputs; it must be silent: {mend}")
    if any("setup" in c.metadata.get("tags", []) for _, c in code[1:]):
        found.append("more than one cell is tagged `setup`: keep the first")
    return found


# -- every place ----------------------------------------------------------------------------------


def text_places(root):
    """The text files that may name the address: tracked, or new and not ignored by git."""
    root = Path(root)
    command = ["git", "-C", str(root), "ls-files", "-z", "-co", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True)
    names = [Path(name) for name in listed.stdout.split("\0") if name]
    if listed.returncode or not names:  # not a clone
        names = [path.relative_to(root) for path in root.rglob("*")]
        names = [n for n in names if not any(p.startswith((".", "_build")) for p in n.parts)]
    outside = {Path("tests"), Path("book/tools")}  # tests and tools name examples
    names = [n for n in names if n.suffix in TEXT_SUFFIXES and not outside & set(n.parents)]
    return sorted(root / name for name in names if (root / name).is_file())


def notebook_places(root):
    """All notebooks, generated ones too."""
    found = (Path(root) / "notebooks").rglob("*.ipynb")
    return sorted(p for p in found if ".ipynb_checkpoints" not in p.parts)


def wrong_links(text, address):
    """The repositories that `text` names where it should name ours.

    Links to other people's work are no fault, so a link counts only in a place that must be ours
    (Colab, install, clone, a repository field) or with our repository's name under another owner.
    """
    ours = address.removeprefix("https://github.com/")
    wrong = []
    for match in LINK.finditer(text):
        named = match[2].removesuffix(".git")
        before = text[max(0, match.start() - 60) : match.start()]
        same_name = named.split("/")[1] == ours.split("/")[1]
        if named != ours and named != "OWNER/REPO" and (same_name or OURS.search(before)):
            wrong.append(named)
    return wrong


def verify(root):
    """Every place that does not agree with `_config.yml`."""
    root, address = Path(root), configured_address(root)
    found = []
    for path in text_places(root):
        for named in wrong_links(path.read_text(encoding="utf-8"), address):
            found.append(f"{path.relative_to(root)}: names {named}")
    for path in notebook_places(root):
        nb, name = read_notebook(path), path.relative_to(root)
        found += [f"{name}: {finding}" for finding in setup_findings(nb, root)]
        for number, cell in enumerate(nb.cells, 1):
            if "setup" not in cell.metadata.get("tags", []):
                wrong = wrong_links(cell.source, address)
                found += [f"{name}: cell {number}: names {named}" for named in wrong]
    return found


def move(root, new):
    """Write the address `new` everywhere: all new contents are made before the first is written."""
    new, old = checked_form(new), configured_address(root)
    config = Path(root) / "_config.yml"
    contents = {}
    for path in text_places(root):
        text = path.read_text(encoding="utf-8")
        changed = replaced(text, old, new)
        if path == config:
            changed = CONFIG_URL.sub(lambda m: m[1] + new, changed, count=1)
        if changed != text:
            contents[path] = changed.encode("utf-8")
    for path in notebook_places(root):
        nb = read_notebook(path)
        for cell in nb.cells:
            if "setup" in cell.metadata.get("tags", []):
                cell.source = setup_source(new)
            elif cell.cell_type == "markdown":
                cell.source = replaced(cell.source, old, new)
        contents[path] = dump_notebook(normalise(nb, root))
    for path, content in contents.items():
        if path.read_bytes() != content:
            write_whole(path, content)
            print(f"  {path.relative_to(root)}")


def replaced(text, old, new):
    """`text` with the old repository replaced in every kind of link, and in its GitHub Pages."""
    (owner, repo), (new_owner, new_repo) = (
        FORM.fullmatch(old).groups(),
        FORM.fullmatch(new).groups(),
    )
    name = re.escape(f"{owner}/{repo}")
    links = rf"((?:github\.com|githubusercontent\.com|/github)/){name}(?![\w-])"
    text = re.sub(links, lambda m: f"{m[1]}{new_owner}/{new_repo}", text)
    pages = rf"{re.escape(owner)}\.github\.io/{re.escape(repo)}(?![\w-])"
    return re.sub(pages, f"{new_owner}.github.io/{new_repo}", text, flags=re.IGNORECASE)


def main(arguments=None):
    arguments = sys.argv[1:] if arguments is None else arguments
    if len(arguments) > 1:
        print("error: give one address, or none", file=sys.stderr)
        return 1
    try:
        if arguments:
            move(ROOT, arguments[0])
        print(configured_address(ROOT))
        found = verify(ROOT)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for finding in found:
        print(finding, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
