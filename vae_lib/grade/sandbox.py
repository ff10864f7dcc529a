"""Where answers run: in a child that is given the runner, inputs and limits, and is killed."""

import compileall
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import asdict, dataclass
from pathlib import Path

from .bubblewrap import PACKAGE, command_line, filter_file, probe


class ChildFailed(Exception):
    """A child did not even start: nobody's answer is to blame."""


@dataclass(frozen=True)
class Limits:
    """What a submission may use.  Times are wall-clock seconds, sizes are bytes.

    seconds: for one question.  submission: for all of them.  start: for Python and torch to
    load, which no student answers for.  memory: on top of theirs.  reply: of one answer.
    """

    seconds: float = 10.0
    submission: float = 30.0
    start: float = 180.0
    cpu: int = 90
    memory: int = 2 << 30
    file: int = 16 << 20
    reply: int = 8 << 20


class Sandbox:
    """Starts children; called, it gives the `subprocess.Popen` of a new one.

    The names of modules in the call are imported before the child says that it is ready.

    library: whether answers may import vae_lib (without its checks and its grader).
    private: paths that no answer may see even where they lie in a folder that it does see.
    Use it in a `with` statement.  Raises `NoSandbox` where bubblewrap does not work, unless
    told to run without (sandboxed=False).
    """

    def __init__(self, library, limits, private=(), sandboxed=True):
        self.folder = tempfile.TemporaryDirectory(prefix="vae-grade-")
        self.kit = Path(self.folder.name).resolve()
        _fill(self.kit, library)
        self.settings = asdict(limits) | {"path": [str(self.kit / "library")] if library else []}
        self.imports = ["vae_lib"] if library else []
        self.command = command_line(self.kit, private) if sandboxed else []
        self.started, self.open, self.lock = [], True, threading.Lock()
        if sandboxed:
            probe(self.command)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
        self.folder.cleanup()

    def __call__(self, imports=()):
        settings = json.dumps(self.settings | {"imports": [*self.imports, *imports]})
        run = [sys.executable, "-I", str(self.kit / "runner.py"), settings]
        process = _launch(self.command, run, self.kit)
        with self.lock:
            self.started = [one for one in self.started if one.poll() is None]
            self.started.append(process)
            if not self.open:
                kill(process)
                raise ChildFailed("grading was stopped")
        return process

    def close(self):
        """Kill every child, and start no other."""
        with self.lock:
            self.open = False
            for process in self.started:
                kill(process)


def kill(process):
    """Kill a child and everything it started."""
    with contextlib.suppress(ProcessLookupError):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def _fill(kit, library):
    """Copy into the kit what the child needs: the runner, and what it shares with the checks."""
    (kit / "asking").mkdir()
    (kit / "home").mkdir()
    shutil.copy(PACKAGE / "grade" / "runner.py", kit)
    for name in ("checks/calling.py", "checks/fixtures.py", "grade/wire.py"):
        shutil.copy(PACKAGE / name, kit / "asking")
    if library:
        without = shutil.ignore_patterns("checks", "grade", "__pycache__")
        shutil.copytree(PACKAGE, kit / "library" / PACKAGE.name, ignore=without)
    compileall.compile_dir(kit, quiet=2)


def _launch(command, run, kit):
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    own = dict(bufsize=0, start_new_session=True, cwd=kit / "home", env=_environment(kit / "home"))
    if not command:
        return subprocess.Popen(run, **pipes, **own)
    with filter_file() as number:
        command = [*command, "--seccomp", str(number), "--", *run]
        return subprocess.Popen(command, **pipes, **own, pass_fds=(number,))


def _environment(home):
    return {
        "HOME": str(home),
        "TMPDIR": "/tmp",
        "MPLCONFIGDIR": "/tmp",
        "MPLBACKEND": "agg",
        "USER": "student",
        "LANG": "C.UTF-8",
        "PATH": "/usr/bin:/bin",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
    }
