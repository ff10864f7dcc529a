"""The grader piece by piece: what goes over the wall, who handed in what, what is written."""

import base64
import json
import os
import subprocess
import sys
import threading
import time
import types
from pathlib import Path

import pytest
import torch
from grade_tools import notebook, read_csv, roster

from vae_lib.checks.calling import Made
from vae_lib.checks.engine import Check, Question, Wrong
from vae_lib.grade import bubblewrap, marking, progress, report, sandbox, seccomp, wire
from vae_lib.grade.exam import Exam, Unusable, load_exam
from vae_lib.grade.extract import faulty, needed, statements
from vae_lib.grade.remote import MOST_FAULTS, Remote, clean
from vae_lib.grade.submissions import gather, read_roster, student_of

# -- values over JSON


@pytest.mark.parametrize(
    "value",
    [
        None, True, 3, -0.5, float("inf"), "text", (1, (2.0,)), [1, "a"], {"a": (1,), "b": []},
        torch.randn(2, 3), torch.tensor(4.0), torch.zeros(0, 3), torch.tensor([True, False]),
        torch.arange(3), torch.randn(3).to(torch.bfloat16), torch.randn(4, 2).T,
    ],
)  # fmt: skip
def test_values_survive_the_wire(value):
    back = wire.decode(json.loads(json.dumps(wire.encode(value))))
    if isinstance(value, torch.Tensor):
        assert back.dtype == value.dtype and torch.equal(back, value)
    else:
        assert back == value and type(back) is type(value)


def test_inputs_to_build_go_one_way_only():
    sent = wire.encode(Made("sine_decoder", (torch.ones(2, 3),)))
    built = wire.decode(sent, Made)
    assert built.name == "sine_decoder" and torch.equal(built.args[0], torch.ones(2, 3))
    with pytest.raises(ValueError):
        wire.decode(sent)


def _tensor(dtype="float32", shape=(1,), raw=bytes(4)):
    return {"tensor": [dtype, list(shape), base64.b64encode(raw).decode()]}


@pytest.mark.parametrize(
    "forged",
    [
        {}, {"tensor": 1}, {"tensor": []}, {"x": [1]}, {"list": 3}, {"dict": [["a"]]},
        {"dict": [[1, 2]]}, {"list": [1], "tuple": [1]}, [1, 2], 2**63, {"made": ["elbo", []]},
        _tensor("object"), _tensor("__class__"), _tensor(shape=(2,)), _tensor(shape=(-1,)),
        _tensor(shape=(1.0,)), _tensor(shape=(True,)), _tensor(shape=(2**62, 2**62)),
        _tensor(shape=(1,) * 99), {"tensor": ["float32", [1], "not base64"]},
    ],
)  # fmt: skip
def test_forged_values_are_refused(forged):
    with pytest.raises(ValueError):
        wire.decode(forged)


def test_a_truth_value_is_zero_or_one():
    assert wire.decode(_tensor("bool", (2,), b"\x07\x00")).long().tolist() == [1, 0]


def test_deep_nesting_is_refused():
    value = 1
    for _ in range(wire.DEPTH + 2):
        value = {"list": [value]}
    with pytest.raises(ValueError, match="deep"):
        wire.decode(value)


def test_what_cannot_be_sent_is_refused():
    for value in (object(), torch.zeros(1, dtype=torch.complex64), b"bytes"):
        with pytest.raises(TypeError, match="cannot be sent"):
            wire.encode(value)


# -- a child that talks nonsense


TALKERS = {
    "nothing": "input()",
    "nonsense": "input(); print('nonsense', flush=True); input()",
    "list": "input(); print('[1]', flush=True); input()",
    "other": """input(); print('{"id": 7, "value": 1}', flush=True); input()""",
    "gradients": """input(); print('{"id": 1, "value": 1, "grads": [5], "touched": false}', flush=1)
input()""",
    "deep": "input(); print('[' * 10**6, flush=True); input()",
    "digits": """input(); print('{"id": 1, "value": ' + '9' * 9999 + '}', flush=True); input()""",
    "lines": """input(); print('{"id": 1}' + chr(10) + '{"id": 1}', flush=True); input()""",
    "surrogate": r"""input(); print('{"id": 1, "raised": "\\ud800=1"}', flush=True); input()""",
    "dict": """input(); print('{"id": 1, "raised": {"a": [1]}}', flush=True); input()""",
}


@pytest.mark.parametrize("talk", TALKERS)
def test_nonsense_is_a_wrong_answer(talk):
    """A check that holds for any answer at all still sees a wrong one."""
    program = f"print('{{\"ready\": true}}', flush=True)\n{TALKERS[talk]}"
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def launch(imports):
        command = [sys.executable, "-I", "-S", "-c", program]
        return subprocess.Popen(command, **pipes, bufsize=0, start_new_session=True)

    question = Question("q", "f", 1, (Check("any", lambda ask, g: ask(torch.ones(2), wrt=(0,))),))
    (mark,) = marking.mark(["def f(x): return x"], [question], launch, sandbox.Limits(20, 40))
    assert mark.points == 0 and mark.remark.encode("utf-8")


def test_a_notebook_that_keeps_ending_its_children_is_left_alone():
    """One child a question, and no more than a few a notebook, whatever the checks ask."""
    started = []

    def launch(imports):
        command = [sys.executable, "-I", "-S", "-c", "print('{\"ready\": true}')"]
        pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        started.append(subprocess.Popen(command, **pipes, bufsize=0))
        return started[-1]

    asks = Check("any", lambda ask, g: ask(1))
    questions = [Question(f"q{number}", "f", 1, (asks, asks)) for number in range(9)]
    marks = marking.mark(["def f(x): return x"], questions, launch, sandbox.Limits(20, 40))
    assert len(started) == MOST_FAULTS and all(mark.points == 0 for mark in marks)
    assert "it ended the process" in marks[0].remark and "not asked" in marks[-1].remark


def test_a_check_that_trips_over_an_answer_is_a_wrong_answer():
    def trips(ask, generator):
        return "text" - 1

    guarded = marking._guarded(Check("trips", trips))
    with pytest.raises(Wrong, match="cannot be compared"):
        guarded.run(None, None)


def test_children_of_two_threads_are_not_mixed_up(monkeypatch):
    """Each caller gets the child that it started, also when many start at once."""

    def slow(*_):
        time.sleep(0.001)
        return types.SimpleNamespace(poll=lambda: None, owner=threading.get_ident())

    monkeypatch.setattr(sandbox, "_launch", slow)
    box = object.__new__(sandbox.Sandbox)
    box.started, box.open, box.lock = [], True, threading.Lock()
    box.command, box.kit = None, Path()
    box.settings, box.imports = {}, []
    mixed = []

    def start():
        mixed.extend(box().owner != threading.get_ident() for _ in range(50))

    threads = [threading.Thread(target=start) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(mixed) == 400 and not any(mixed)


def test_a_closed_sandbox_starts_no_child(monkeypatch):
    killed = []
    monkeypatch.setattr(sandbox, "_launch", lambda *_: types.SimpleNamespace(poll=lambda: None))
    monkeypatch.setattr(sandbox, "kill", killed.append)
    box = object.__new__(sandbox.Sandbox)
    box.started, box.open, box.lock = [], True, threading.Lock()
    box.command, box.kit = None, Path()
    box.settings, box.imports = {}, []
    box()
    box.close()
    assert len(killed) == 1
    with pytest.raises(sandbox.ChildFailed):
        Remote(box, sandbox.Limits())._start()
    assert len(killed) == 2


def test_a_reference_is_shown_to_no_question_that_asks_for_it(monkeypatch):
    """Where a later question asks for what an earlier one was given, the child is a new one."""
    events = []

    def ask(question, answers, source, remote, given, seed):
        events.append((question.name, tuple(given)))
        return marking.Mark(question.name, 0, question.points, (("one", 1, "wrong"),))

    monkeypatch.setattr(marking, "_ask", ask)
    monkeypatch.setattr(Remote, "stop", lambda self: events.append("stop"))
    check, where = (Check("one", None),), "set_a_core:elbo"
    backwards = [
        Question("train", "train", 1, check, uses={"elbo": where}),
        Question("elbo", "elbo", 1, check, uses={"gaussian_kl": "set_a_core:gaussian_kl"}),
        Question("kl", "gaussian_kl", 1, check),
    ]
    cells = [f"def {n}(x): return {u}(x)" for n, u in (("train", "elbo"), ("elbo", "gaussian_kl"))]
    marking.mark([*cells, "def gaussian_kl(x): pass"], backwards, None, sandbox.Limits())
    assert events[3:] == [("train", ("elbo",)), "stop", ("elbo", ("gaussian_kl",)), "stop"]
    events.clear()
    marking.mark([*cells, "def gaussian_kl(x): pass"], backwards[::-1], None, sandbox.Limits())
    assert events[3:] == [("elbo", ("gaussian_kl",)), ("train", ("elbo",)), "stop"]


def test_strangers_text_is_one_printable_line():
    dirty = "a\x1b[31m\n\tb\u202e\ud800 c"
    assert clean(dirty, 99) == "a [31m b c"
    assert len(clean("x" * 99, 10)) == 10


# -- the sandbox's walls, as far as they can be read off


def test_filter_knows_both_processors_and_no_other():
    for machine in ("x86_64", "aarch64"):
        assert len(seccomp.program(machine)) % 8 == 0
    assert seccomp.program("x86_64") != seccomp.program("aarch64")
    with pytest.raises(LookupError, match="riscv64"):
        seccomp.program("riscv64")


def test_private_folders_below_a_visible_one_are_hidden(tmp_path, monkeypatch):
    environment = tmp_path / "env"
    course = environment / "course"
    course.mkdir(parents=True)
    (environment / "roster.csv").write_text("student,name\n")
    monkeypatch.setattr(bubblewrap.sys, "prefix", str(environment))
    mounts = bubblewrap._mounts([course, environment / "roster.csv", tmp_path / "elsewhere"])
    assert mounts[course][0] == "--tmpfs"
    assert mounts[environment / "roster.csv"][:2] == ["--ro-bind", "/dev/null"]
    assert mounts[environment][0] == "--ro-bind"
    assert tmp_path / "elsewhere" not in mounts


def test_the_kit_holds_no_check_and_no_reference(tmp_path):
    for library in (False, True):
        kit = tmp_path / str(library)
        kit.mkdir()
        sandbox._fill(kit, library)
        files = {str(p.relative_to(kit)) for p in kit.rglob("*.py")}
        shared = {"runner.py", *(f"asking/{n}.py" for n in ("calling", "fixtures", "wire"))}
        assert shared <= files
        assert (files == shared) is not library
        assert not [f for f in files if "checks" in f or "grade" in f]
        assert ("library/vae_lib/objectives.py" in files) is library


# -- what of a notebook belongs to an answer


BODY = """
import torch, math
import os as unused
from pathlib import *
scale = 1
scale += 2
def helper(x): return scale * x
def f(x): return 0
print("never"); open("never", "w")
def f(x): return helper(torch.exp(x))
other = helper(1)
"""


def test_only_what_an_answer_needs_is_taken():
    source = needed(statements([BODY]), ["f"])
    kept = ("import torch", "from pathlib import *", "scale = 1", "scale += 2", "def helper")
    assert all(part in source for part in kept)
    assert not any(part in source for part in ("never", "other", "return 0", "unused"))
    assert needed(statements([BODY]), ["g"]) == ""


def test_a_functions_own_names_are_not_the_notebooks():
    """`mu` and `x` are bound in nearly every notebook, often by a training run."""
    cells = [
        "x, mu = train()",
        "half = 0.5",
        "def f(x, scale=half):\n    mu = x * scale\n    return mu",
    ]
    source = needed(statements(cells), ["f"])
    assert "half = 0.5" in source and "train" not in source


def test_future_imports_stay_first():
    body = statements(["x = 1", "from __future__ import annotations\ndef f(): return x"])
    source = needed(body, ["f"])
    assert source.count("__future__") == 1 and source.startswith("from __future__")
    compile(source, "answer", "exec")


def test_hostile_syntax_is_left_out():
    cells = ["x = " + "-" * 100_000 + "1", "x = " + "(" * 9999, "x = 1" + "+1" * 100_000, "\0"]
    assert statements([*cells, "def f(): return 1"])[-1].name == "f"
    assert "syntax error in line 1" in faulty(["def f(:"], "f")
    assert faulty(["def g(:"], "f") == ""


# -- the roster and the folder


def test_ids_in_names():
    students = {"17": "", "a_b": "", "Zoë": "", "1": ""}
    found = {
        "17": "17", "17_final": "17", "doe_17_1_work": "17", "a_b": "a_b", "a_b_2": "a_b",
        "ZOE\u0308": "Zoë", "zoe": "", "117": "", "work": "", "1-17": "", "doe_1_17": "1",
    }  # fmt: skip
    assert {name: student_of(name, students) for name in found} == found


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (b"id,name\n1,A\n", "header student,name"),
        (b"student,name\n1,A\n1,B\n", "twice"),
        (b"student,name\nab,A\nAB,B\n", "twice"),
        (b"student,name\n,A\n", "without a student id"),
        ("student,name\n1,é\n".encode("latin1"), "cannot be read"),
    ],
)
def test_a_faulty_roster_is_named(tmp_path, text, fault):
    path = tmp_path / "roster.csv"
    path.write_bytes(text)
    with pytest.raises(Unusable, match=fault):
        read_roster(path)


def test_a_roster_of_a_spreadsheet_is_read(tmp_path):
    path = tmp_path / "roster.csv"
    path.write_bytes(b"\xef\xbb\xbfname,student,group\r\n Ada , 7 ,1\r\n")
    assert read_roster(path) == {"7": "Ada"}
    assert read_roster(roster(path, {})) == {}
    with pytest.raises(Unusable, match="cannot be read"):
        read_roster(tmp_path / "none.csv")


def test_a_notebook_counts_before_other_files(tmp_path):
    for name, age in (("a.ipynb", 1), ("a_old.ipynb", 0), ("a.pdf", 9), ("b.py", 3)):
        (tmp_path / name).write_text(notebook("x = 1"))
        os.utime(tmp_path / name, (age, age))
    counted, superseded = gather(tmp_path, {"a": "", "b": ""})
    assert [one.name for one in counted] == ["a.ipynb", "b.py"]
    assert {one.name: best.name for one, best in superseded.items()} == {
        "a_old.ipynb": "a.ipynb",
        "a.pdf": "a.ipynb",
    }
    with pytest.raises(Unusable, match="no folder"):
        gather(tmp_path / "none", {})


# -- what is written


def exam(*hidden):
    question = Question("q", "f", 1, (Check("one", None, 2), Check("two", None, 1)))
    return Exam("set", (question,), frozenset(hidden), False, Path("r.ipynb"), "")


def mark(first="", second="", note=""):
    lines = (("one", 2, first), ("two", 1, second))
    points = sum(points for _, points, hint in lines if not hint)
    return marking.Mark("q", points, 3, lines, note)


def test_no_cell_is_a_formula(tmp_path):
    row = report.Row("=1+1", "@SUM(A1)", "\t-2.ipynb", (mark("=cmd\n|x"),), "+remark")
    (tmp_path / "g.csv").write_text(report.csv_text([row], exam()), encoding="utf-8")
    (read,) = read_csv(tmp_path / "g.csv")
    for column in ("student", "name", "file", "remark"):
        assert read[column].startswith("'"), column
    assert (read["total"], read["out of"], read["q"]) == ("1", "3", "1")
    assert "\n" not in read["remark"]


def test_remarks_name_the_question_and_the_check():
    assert report.Row("", "", "", (mark("a", "b", "note"),)).remarks == "one: a; two: b; note"
    two = (mark("a", "a"), mark())
    assert report.Row("", "", "", two, "said").remarks == "said | q: a"
    assert report.Row("", "", "", (mark(),)).remarks == ""


def test_hidden_questions_are_hidden_on_gradescope():
    for hidden, seen in (((), "visible"), (("q",), "hidden")):
        data = report.gradescope(report.Row("1", "A", "1.ipynb", (mark("a"),)), exam(*hidden))
        assert [test["visibility"] for test in data["tests"]] == [seen, seen]
        assert [test["score"] for test in data["tests"]] == [0, 1]
        assert data["output"] != "a"


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "out.csv"
    path.write_text("before")

    def fails(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(report.os, "replace", fails)
    with pytest.raises(KeyboardInterrupt):
        report.write(path, "after")
    assert path.read_text() == "before" and os.listdir(tmp_path) == ["out.csv"]


def test_progress_is_kept_for_the_same_run_only(tmp_path):
    path = tmp_path / "g.csv.partial"
    with pytest.raises(RuntimeError), progress.Progress(path, {"seed": 1}) as kept:
        kept.add("a", [mark("hint")])
        kept.add("b", [mark()])
        raise RuntimeError
    path.write_text(path.read_text() + '{"key": "torn')
    with pytest.raises(RuntimeError), progress.Progress(path, {"seed": 1}) as again:
        assert again.done == {"a": (mark("hint"),), "b": (mark(),)}
        raise RuntimeError
    with progress.Progress(path, {"seed": 2}) as other:
        assert other.done == {}
    assert not path.exists()


# -- what a teacher gives


def test_unknown_sets_and_references_are_named(tmp_path):
    with pytest.raises(Unusable, match=r"there is no problem set set_z; there are .*chapter_03"):
        load_exam("set_z")
    with pytest.raises(Unusable, match="no file of questions"):
        load_exam(str(tmp_path / "none.py"))
    (tmp_path / "empty.py").write_text("QUESTIONS = ()\n")
    with pytest.raises(Unusable, match="holds no QUESTIONS"):
        load_exam(str(tmp_path / "empty.py"))
    (tmp_path / "broken.py").write_text("1 / 0\n")
    with pytest.raises(Unusable, match="ZeroDivisionError"):
        load_exam(str(tmp_path / "broken.py"))
    with pytest.raises(Unusable, match="no reference notebook"):
        load_exam("chapter_03", reference=tmp_path / "none.ipynb")
    with pytest.raises(Unusable, match="private checks"):
        load_exam("chapter_03", private=tmp_path)


def test_a_chapter_is_an_exam_with_the_library():
    found = load_exam("chapter_03")
    assert found.library is True and found.reference.name == "03_gaussian_kl.ipynb"
    assert found.points == sum(q.points for q in found.questions) > 0
    assert found.dtype is torch.float64  # as the chapter sets at its top
    assert load_exam("chapter_04").dtype is torch.float32  # set back half way
