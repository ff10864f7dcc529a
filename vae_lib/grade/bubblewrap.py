"""The bubblewrap command: a child that sees Python, torch and the runner, and nothing else.

It has no network, no processes but its own, no rights, and nowhere to write but a small /tmp.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import torch

from . import seccomp

PACKAGE = Path(__file__).resolve().parents[1]
TEMPORARY = 64 << 20  # bytes of the sandbox's /tmp


class NoSandbox(Exception):
    """bubblewrap is absent or does not work here; the message says how to go on."""


def command_line(kit, private):
    """The bubblewrap command line, up to the file of the filter and the program to run."""
    program = shutil.which("bwrap")
    if program is None:
        raise NoSandbox(how_to_go_on("bubblewrap is not installed"))
    command = [program, "--unshare-all", "--die-with-parent", "--new-session"]
    command += ["--cap-drop", "ALL", "--uid", "65534", "--gid", "65534", "--hostname", "sandbox"]
    command += ["--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev"]
    # Python and the kit may lie in the machine's /tmp, so they are laid over the sandbox's own.
    command += ["--size", str(TEMPORARY), "--tmpfs", "/tmp"]
    for path, options in sorted(_mounts(private).items(), key=lambda m: len(m[0].parts)):
        command += [part.replace("PATH", str(path)) for part in options]
    command += ["--ro-bind", str(kit), str(kit), "--remount-ro", "/", "--chdir", "/tmp"]
    return command


def _mounts(private):
    """{path: bubblewrap's options}; what lies deeper is laid over what lies above it."""
    mounts = {}
    for path in map(Path, ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")):
        if path.is_symlink():
            mounts[path] = ["--symlink", os.readlink(path), "PATH"]
        elif path.is_dir():
            mounts[path] = ["--ro-bind", "PATH", "PATH"]
    for path in map(Path, ("/etc/alternatives", "/etc/ld.so.cache")):
        mounts[path] = ["--ro-bind-try", "PATH", "PATH"]
    roots = {Path(sys.prefix), Path(sys.base_prefix), Path(torch.__file__).parents[1]}
    roots |= {root.resolve() for root in roots}
    seen = {*roots, *(path for path in mounts if path.parent == Path("/"))}
    for path in {PACKAGE, *(Path(path).resolve() for path in private)} - roots:
        if path.exists() and any(root in path.parents for root in seen):
            folder = ["--tmpfs", "PATH", "--remount-ro", "PATH"]
            mounts[path] = folder if path.is_dir() else ["--ro-bind", "/dev/null", "PATH"]
    mounts |= {root: ["--ro-bind", "PATH", "PATH"] for root in roots if root != Path("/usr")}
    return mounts


def probe(command):
    """Raise `NoSandbox` unless a program starts in the sandbox."""
    try:
        with filter_file() as number:
            command = [*command, "--seccomp", str(number), "--", sys.executable, "-I", "-c", ""]
            done = subprocess.run(
                command, pass_fds=(number,), capture_output=True, text=True, timeout=60
            )
    except (OSError, LookupError, subprocess.TimeoutExpired) as error:
        raise NoSandbox(how_to_go_on(f"bubblewrap does not work here ({error})")) from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise NoSandbox(how_to_go_on(f"bubblewrap does not work here ({lines[-1]})"))


def how_to_go_on(fault):
    """One line: what is wrong, how to install bubblewrap, and what --unsandboxed means."""
    return (
        f"{fault}: answers are strangers' programs and run in its sandbox only. "
        "Install bubblewrap 0.7 or newer (Debian and Ubuntu: apt-get install bubblewrap), "
        "or, for submissions that you trust, add --unsandboxed."
    )


@contextlib.contextmanager
def filter_file():
    """Yields the number of an open file that holds the filter of system calls."""
    number = os.memfd_create("filter")
    try:
        os.write(number, seccomp.program())
        os.lseek(number, 0, os.SEEK_SET)
        yield number
    finally:
        os.close(number)
