"""The one knob: the repository's address is set once and is the same everywhere."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "tools"))

import address  # noqa: E402
from nb_normalise import normalise  # noqa: E402
from nb_stamp import stamp, stamp_findings  # noqa: E402
from nb_text import dump_notebook, read_notebook  # noqa: E402

OLD, NEW = "https://github.com/some-one/her-book", "https://github.com/An0ther/book.two"
COLAB = "https://colab.research.google.com/github/some-one/her-book/blob/main/notebooks/01_a.ipynb"
FILES = {
    "_config.yml": "title: A book\n# The knob.\nrepository:\n  # where it lives\n"
    f"  url: {OLD}  # the address\n  branch: main\nhtml:\n"
    "  baseurl: https://some-one.github.io/her-book/\n",
    "README.md": f"[Colab]({COLAB}) and `pip install git+{OLD}` and `git clone {OLD}.git`.\n"
    "Follows [nanoGPT](https://github.com/karpathy/nanoGPT).\n",
    "pyproject.toml": f'[project.urls]\nRepository = "{OLD}"\n',
    "CITATION.cff": f'repository-code: "{OLD}"\n',
    "book/index.md": f"Open [chapter 1]({COLAB}) or an [issue]({OLD}/issues).\n",
    "vae_lib/__init__.py": "",
}


@pytest.fixture
def book(tmp_path):
    """A small book that agrees on its address."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    nb = nbformat.v4.new_notebook()
    nb.cells = [
        nbformat.v4.new_markdown_cell(f"# A chapter\n\nOpen it in [Colab]({COLAB})."),
        nbformat.v4.new_code_cell("1 + 1", execution_count=2),
    ]
    address.place_setup_cell(nb, tmp_path)
    path = tmp_path / "notebooks" / "01_a.ipynb"
    path.parent.mkdir()
    path.write_bytes(dump_notebook(stamp(normalise(nb, tmp_path), tmp_path)))
    return tmp_path


def contents(root):
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_the_book_agrees_on_its_address():
    assert address.verify(ROOT) == []


def test_moving_changes_every_place_and_nothing_else(book):
    assert address.verify(book) == []
    address.move(book, NEW)
    assert address.verify(book) == []
    for name in ["README.md", "pyproject.toml", "CITATION.cff", "book/index.md", "_config.yml"]:
        text = (book / name).read_text()
        assert "some-one" not in text and "her-book" not in text, name
    config = FILES["_config.yml"].replace(OLD, NEW)
    config = config.replace("some-one.github.io/her-book", "An0ther.github.io/book.two")
    assert (book / "_config.yml").read_text() == config
    assert "https://github.com/karpathy/nanoGPT" in (book / "README.md").read_text()
    nb = read_notebook(book / "notebooks" / "01_a.ipynb")
    assert "github/An0ther/book.two/blob/main" in nb.cells[0].source
    assert nb.cells[1].source == address.setup_source(NEW)
    assert stamp_findings(nb, book) == []  # nothing has to be executed again


def test_moving_there_and_back_restores_every_byte(book):
    before = contents(book)
    address.move(book, NEW)
    assert contents(book) != before
    address.move(book, OLD)
    assert contents(book) == before


@pytest.mark.parametrize("name", ["README.md", "pyproject.toml", "CITATION.cff", "book/index.md"])
def test_a_wrong_address_in_a_file_is_named(book, name):
    path = book / name
    path.write_text(path.read_text().replace("some-one/her-book", "fork-er/her-book", 1))
    assert address.verify(book) == [f"{name}: names fork-er/her-book"]


def test_a_wrong_colab_link_is_named_whatever_the_repository(book):
    path = book / "README.md"
    path.write_text(path.read_text().replace("github/some-one/her-book", "github/x/y"))
    assert address.verify(book) == ["README.md: names x/y"]


@pytest.mark.parametrize("cell", [0, 1])
def test_a_wrong_address_in_a_notebook_is_named(book, cell):
    path = book / "notebooks" / "01_a.ipynb"
    nb = read_notebook(path)
    nb.cells[cell].source = nb.cells[cell].source.replace("some-one", "fork-er")
    path.write_bytes(dump_notebook(nb))
    (finding,) = address.verify(book)
    assert finding.startswith(f"notebooks/01_a.ipynb: cell {cell + 1}: ")


def test_changing_only_the_config_is_noticed(book):
    path = book / "_config.yml"
    path.write_text(path.read_text().replace(OLD, NEW))
    named = {finding.split(":")[0] for finding in address.verify(book)}
    assert {"README.md", "pyproject.toml", "CITATION.cff", "notebooks/01_a.ipynb"} <= named


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "github.com/a/b",
        "http://github.com/a/b",
        "https://github.com/a",
        "https://gitlab.com/a/b",
    ]
    + [f"https://github.com/a/b{end}" for end in ("/", ".git", "/tree/main", "?x", " ", "\n")],
)
def test_a_bad_address_is_refused_and_nothing_written(book, bad, capsys, monkeypatch):
    monkeypatch.setattr(address, "ROOT", book)
    before = contents(book)
    assert address.main([bad]) == 1
    assert "https://github.com/OWNER/REPO" in capsys.readouterr().err
    assert contents(book) == before


def test_a_missing_knob_is_one_clear_error(book, capsys, monkeypatch):
    monkeypatch.setattr(address, "ROOT", book)
    (book / "_config.yml").write_text("title: no knob\n")
    assert address.main([]) == 1
    assert capsys.readouterr().err.startswith("error: _config.yml has no `repository:`")


def test_the_setup_cell_is_silent_where_the_library_is(capfd, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the set-up cell installed something")

    monkeypatch.setattr(subprocess, "run", refuse)
    exec(address.setup_source(OLD), {})
    assert capfd.readouterr() == ("", "")


def test_the_setup_cell_installs_the_library_alone_where_it_is_missing(monkeypatch):
    calls = []
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(subprocess, "run", lambda command, check: calls.append((command, check)))
    exec(address.setup_source(OLD), {})
    ((command, check),) = calls
    assert check and "--no-deps" in command and command[-1] == f"git+{OLD}"
