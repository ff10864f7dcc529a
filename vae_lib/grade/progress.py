"""Marks already given, kept beside the output: an interrupted run goes on where it stopped."""

import json
import threading
from dataclasses import asdict

from .marking import Mark
from .report import write


class Progress:
    """A file of JSON lines: what the run is, then one line a marked submission.

    path: of that file.  run: whatever decides a mark; lines of another run are not used.
    Use it in a `with` statement; left without an exception, the file goes.
    """

    def __init__(self, path, run):
        self.path, self.lock = path, threading.Lock()
        self.done = {}
        lines = self._lines()
        if lines and lines[0] == run:
            self.done = {line["key"]: tuple(map(_mark, line["marks"])) for line in lines[1:]}
        kept = [run, *(_line(key, marks) for key, marks in self.done.items())]
        write(path, "".join(json.dumps(line) + "\n" for line in kept))
        self.file = open(path, "a", encoding="utf-8")  # noqa: SIM115 (closed on leaving)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        """Marks are kept unless all is done."""
        self.file.close()
        if kind is None:
            self.path.unlink()

    def _lines(self):
        """The lines that are whole; the last one may be torn."""
        if not self.path.is_file():
            return []
        lines = self.path.read_text(encoding="utf-8").split("\n")[:-1]
        try:
            return [json.loads(line) for line in lines]
        except ValueError:
            return []

    def add(self, key, marks):
        """Keep the marks of a submission.  key: the content of its file."""
        with self.lock:
            self.file.write(json.dumps(_line(key, marks)) + "\n")
            self.file.flush()


def _line(key, marks):
    return {"key": key, "marks": [asdict(mark) for mark in marks]}


def _mark(data):
    return Mark(**data | {"lines": tuple(map(tuple, data["lines"]))})
