"""What the tests of the grader share: notebooks, a course folder, and the command itself."""

import contextlib
import csv
import io
import json
import os
from pathlib import Path

import pytest
import site_tools as site

from vae_lib.grade.__main__ import main
from vae_lib.grade.bubblewrap import NoSandbox
from vae_lib.grade.sandbox import Limits, Sandbox

HERE = Path(__file__).parent
SMALL_SET = HERE / "small_set.py"


def need_bubblewrap():
    """Skip where bubblewrap does not work; fail in CI."""
    try:
        with Sandbox(False, Limits()):
            pass
    except NoSandbox as error:
        pytest.fail(str(error)) if site.in_ci() else pytest.skip(str(error))


def notebook(*cells):
    """The JSON of a notebook with these code cells."""
    text = {"cell_type": "markdown", "metadata": {}, "source": "# Answers"}
    code = [{"cell_type": "code", "metadata": {}, "source": c, "outputs": []} for c in cells]
    return json.dumps({"cells": [text, *code], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def roster(path, students):
    """Write a roster.  students: {id: name}."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("student", "name"), *students.items()])
    return path


def grade(*arguments):
    """Run the command in this process: (exit status, what it said)."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        status = main([str(argument) for argument in arguments])
    return status, said.getvalue()


def read_csv(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def children(kits):
    """The processes that run in, or start, a sandbox whose kit lies in the folder `kits`."""
    found = []
    for number in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            command = Path(f"/proc/{number}/cmdline").read_bytes()
            if os.fsencode(kits / "vae-grade-") in command:
                found.append(int(number))
    return found
