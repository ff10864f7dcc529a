"""The questions of one problem set, its hidden ones, and its reference answers."""

import hashlib
import importlib
import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

import torch

from .extract import cell_sources

ROOT = Path(__file__).resolve().parents[2]
CHECKS = ROOT / "vae_lib" / "checks"
DTYPE = re.compile(r"torch\.set_default_dtype\(torch\.(float32|float64)\)")


class Unusable(Exception):
    """What the teacher gave cannot be worked with; the message says why."""


@dataclass(frozen=True)
class Exam:
    """Questions, public ones first.  hidden: names of the others.  library: may answers import
    vae_lib.  reference: a notebook that earns full marks.  digest: of all that decides a mark."""

    name: str
    questions: tuple
    hidden: frozenset
    library: bool
    reference: Path
    digest: str

    @property
    def points(self):
        return sum(question.points for question in self.questions)

    @property
    def dtype(self):
        """Torch's default type at the notebook's exercises, which stand last: some use float64."""
        chosen = DTYPE.findall("\n".join(reference_cells(self)))
        return getattr(torch, chosen[-1]) if chosen else torch.float32


def load_exam(name, private=None, reference=None):
    """The `Exam` of a module of checks ("set_a", "chapter_03") or of a file of questions.

    private: a folder that may hold hidden questions under the same file name.
    reference: a notebook; left out, the repository's own.  Raises `Unusable`.
    """
    public = _module(name)
    file = f"{Path(name).stem}.py"
    hidden = ()
    if private is not None:
        if not (Path(private) / file).is_file():
            raise Unusable(f"there is no {file} in the folder of private checks {private}")
        hidden = _questions(_from_file(Path(private) / file))
    questions = (*_questions(public), *hidden)
    names = [question.name for question in questions]
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise Unusable(f"two questions have the name {twice[0]}; give the hidden ones others")
    return Exam(
        Path(name).stem,
        questions,
        frozenset(question.name for question in hidden),
        getattr(public, "LIBRARY", True),
        _reference(Path(name).stem, reference),
        _digest([Path(public.__file__), *([Path(private) / file] if private else [])]),
    )


def _module(name):
    if name.endswith(".py"):
        return _from_file(Path(name))
    if not name.isidentifier() or not (CHECKS / f"{name}.py").is_file():
        known = sorted(
            p.stem for pattern in ("set_?.py", "chapter_??.py") for p in CHECKS.glob(pattern)
        )
        raise Unusable(f"there is no problem set {name}; there are {', '.join(known)}")
    return importlib.import_module(f"vae_lib.checks.{name}")


def _from_file(path):
    if not path.is_file():
        raise Unusable(f"there is no file of questions {path}")
    spec = importlib.util.spec_from_file_location(f"questions_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise Unusable(f"{path} cannot be read: {type(error).__name__}: {error}") from error
    return module


def _questions(module):
    found = getattr(module, "QUESTIONS", ())
    if not found:
        raise Unusable(f"{module.__file__} holds no QUESTIONS")
    return tuple(found)


def _reference(stem, given):
    """The notebook of reference answers: the one given, or the repository's master notebook."""
    if given is not None:
        if not Path(given).is_file():
            raise Unusable(f"there is no reference notebook {given}")
        return Path(given)
    start = stem.removeprefix("chapter_")
    found = sorted((ROOT / "notebooks").glob(f"{start}_*.ipynb"))
    if len(found) != 1:
        raise Unusable(f"notebooks/{start}_*.ipynb is not there; name one with --reference")
    return found[0]


def reference_cells(exam):
    """The code cells of the reference notebook."""
    try:
        return cell_sources(exam.reference)
    except ValueError as error:
        raise Unusable(str(error)) from error


def _digest(files):
    """Of the questions and of the code that marks them: a resumed run must be the same run."""
    here = [*CHECKS.glob("*.py"), *Path(__file__).parent.glob("*.py")]
    content = b"".join(path.read_bytes() for path in sorted(here) + files)
    return hashlib.sha256(content).hexdigest()
