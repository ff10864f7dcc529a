"""The roster and the folder of submissions: who handed in what.  Nothing here runs a notebook."""

import csv
import hashlib
import os
import stat
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from .exam import Unusable
from .extract import cells_of

MOST_BYTES = 20 << 20  # of a notebook, its pictures included
MOST_CODE = 500_000  # characters of code
CLUTTER = ("__MACOSX", "Thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class Submission:
    """A file that was handed in.  student: its id in the roster, or "".  name: below the folder."""

    student: str
    name: str
    path: Path
    fault: str = ""  # known before it is read


class Unreadable(Exception):
    """A submission that cannot be marked; the message is the remark in its row."""


def read_roster(path):
    """{id: name} from a CSV file with the header student,name.  Raises `Unusable`."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
            header = rows[0].keys() if rows else ("student", "name")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Unusable(f"the roster {path} cannot be read: {error}") from error
    if not {"student", "name"} <= {str(column) for column in header}:
        raise Unusable(f"the roster {path} needs the header student,name")
    roster = {}
    for row in rows:
        student = (row["student"] or "").strip()
        if not student:
            raise Unusable(f"the roster {path} has a row without a student id")
        if same_id(student) in map(same_id, roster):
            raise Unusable(f"the roster {path} has the student {student} twice")
        roster[student] = (row["name"] or "").strip()
    return roster


def same_id(text):
    """Ids are compared without regard to case, and to how a letter's accent is encoded."""
    return unicodedata.normalize("NFC", text).casefold()


def student_of(name, roster):
    """The student a file or folder name belongs to, or "".

    The whole name, or the first of its parts between underscores that is an id: learning
    platforms put the id before what the student wrote (`id_rest`, `name_id_number_rest`).
    An id that holds underscores itself stands at the front.
    """
    ids = {same_id(student): student for student in roster}
    name = same_id(name)
    longest = sorted(ids, key=len, reverse=True)
    front = [i for i in longest if name == i or ("_" in i and name.startswith(f"{i}_"))]
    return next((ids[part] for part in [*front, *name.split("_")] if part in ids), "")


def gather(folder, roster):
    """Every submission of a folder: those that count, and {another: the one that counts}.

    A submission is a file, or a folder with notebooks in it, named after its student.  Where a
    student has several, notebooks go before other files, then the one modified last counts.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise Unusable(f"there is no folder of submissions {folder}")
    entries = [e for e in sorted(folder.iterdir()) if not _clutter(e.name)]
    found = [one for entry in entries for one in _of_entry(entry, roster)]
    best = {}
    for one in sorted(found, key=_worth):
        best[one.student] = one
    counted = [one for one in found if not one.student or best[one.student] is one]
    superseded = {one: best[one.student] for one in found if one not in counted}
    return counted, superseded


def _worth(one):
    return not one.fault, one.path.lstat().st_mtime_ns, one.name


def _clutter(name):
    return name.startswith(".") or name in CLUTTER


def _of_entry(entry, roster):
    if entry.is_symlink() or not entry.is_dir():
        student = student_of(entry.stem, roster)
        return [Submission(student, entry.name, entry, _fault(entry))]
    student = student_of(entry.name, roster)
    notebooks = []
    for place, folders, files in os.walk(entry, followlinks=False):
        folders[:] = sorted(name for name in folders if not _clutter(name))
        paths = [Path(place) / name for name in sorted(files) if not _clutter(name)]
        notebooks += [path for path in paths if path.suffix.lower() == ".ipynb"]
    if not notebooks:
        return [Submission(student, entry.name, entry, "the folder holds no notebook (.ipynb)")]
    names = [str(path.relative_to(entry.parent)) for path in notebooks]
    return [
        Submission(student or student_of(path.stem, roster), name, path, _fault(path))
        for path, name in zip(notebooks, names, strict=True)
    ]


def _fault(path):
    if path.is_symlink():
        return "this is a link to another file, not a notebook"
    if path.suffix.lower() != ".ipynb":
        return f"a {path.suffix or 'nameless'} file was handed in; a notebook (.ipynb) is wanted"
    if not path.is_file():
        return "this is no regular file"
    return ""


def read_cells(submission):
    """(code cells, SHA-256 of the file).  Raises `Unreadable` with the remark to give."""
    if submission.fault:
        raise Unreadable(submission.fault)
    raw = _read(submission.path)
    try:
        cells = cells_of(raw.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise Unreadable("the file is not encoded in UTF-8") from None
    except ValueError:
        raise Unreadable("the file is not a notebook: its JSON cannot be read") from None
    if sum(map(len, cells)) > MOST_CODE:
        raise Unreadable(f"the notebook holds more than {MOST_CODE:,} characters of code")
    return cells, hashlib.sha256(raw).hexdigest()


def _read(path):
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(number, "rb") as file:
            if not stat.S_ISREG(os.fstat(number).st_mode):
                raise Unreadable("this is no regular file")
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise Unreadable(f"the file cannot be opened: {error.strerror}") from None
    if not raw:
        raise Unreadable("the file is empty")
    if len(raw) > MOST_BYTES:
        raise Unreadable(f"the file is larger than {MOST_BYTES >> 20} MB")
    return raw
