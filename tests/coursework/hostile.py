"""Attacks on the grader.  Each is a function of its own name that stands where an answer should.

None may earn a point, outlive its child, or reach anything outside of it.  The function is handed
the arguments of the question, whatever they are.
"""

from dataclasses import dataclass

ROSTER_SECRET = "Prof. Moriarty"  # a name in the test's roster, which no answer may see


@dataclass(frozen=True)
class Attack:
    """source: defines a function called `name`.  hint: a part of the remark it must end with
    (or several, of which one), which proves that it was tried.  alone: in a notebook of its
    own, for it ends or spoils its process; the others share one."""

    name: str
    hint: str | tuple
    source: str
    alone: bool = True


ENDED = "it ended the process"
TOO_LONG = "it took longer than"
NO_FILE = "it raised FileNotFoundError"
UNREADABLE = "cannot be read"
NO_NUMBER = ("it gives", "it is 0 times the right value")

HOSTILE = (
    Attack(
        "infinite_loop",
        TOO_LONG,
        """
def infinite_loop(*args):
    while True:
        pass
""",
    ),
    Attack(
        "fork_bomb",
        "it raised PermissionError",
        """
import os
def fork_bomb(*args):
    while True:
        os.fork()
""",
        alone=False,
    ),
    Attack(
        "spawns_programs",
        "it raised PermissionError",
        """
import subprocess
def spawns_programs(*args):
    return subprocess.Popen(["/usr/bin/sleep", "1000"]).pid
""",
        alone=False,
    ),
    Attack(
        "thread_bomb",
        ("it raised RuntimeError: can't start new thread", TOO_LONG),
        """
import threading, time
def thread_bomb(*args):
    while True:
        threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
""",
    ),
    Attack(
        "memory_bomb",
        ("it raised RuntimeError", TOO_LONG),
        """
import torch
def memory_bomb(*args):
    kept = []
    while True:
        kept.append(torch.ones(1 << 26))
""",
    ),
    Attack(
        "shared_memory_bomb",
        ("it raised OSError", TOO_LONG),
        """
import mmap
def shared_memory_bomb(*args):
    kept = []
    while True:
        kept.append(mmap.mmap(-1, 1 << 28))
        kept[-1][:: 1 << 12] = b"x" * (1 << 16)
""",
    ),
    Attack(
        "disk_bomb",
        "it raised OSError",
        """
def disk_bomb(*args):
    for number in range(1000):
        with open(f"/tmp/{number}", "wb") as file:
            file.write(bytes(8 << 20))
""",
        alone=False,
    ),
    Attack(
        "exits_at_once",
        ENDED,
        """
import os
def exits_at_once(*args):
    os._exit(0)
""",
    ),
    Attack(
        "raises_system_exit",
        "it raised SystemExit",
        """
import sys
def raises_system_exit(*args):
    sys.exit(0)
""",
        alone=False,
    ),
    Attack(
        "kills_everyone",
        ENDED,
        """
import os, signal
def kills_everyone(*args):
    for number in (os.getppid(), 1, -1, 0, os.getpid()):
        try:
            os.kill(number, signal.SIGKILL)
        except OSError:
            pass
""",
    ),
    Attack(
        "stops_itself",
        TOO_LONG,
        """
import os, signal
def stops_itself(*args):
    os.kill(os.getpid(), signal.SIGSTOP)
""",
    ),
    Attack(
        "deep_recursion",
        (ENDED, TOO_LONG),
        """
import sys
class Deep:
    def __getattr__(self, name):
        return getattr(self, name + "x")
def deep_recursion(*args):
    sys.setrecursionlimit(10**9)
    return Deep().x
""",
    ),
    Attack(
        "reads_passwords",
        NO_FILE,
        """
def reads_passwords(*args):
    with open("/etc/passwd") as file:
        raise ValueError(file.read())
""",
        alone=False,
    ),
    Attack(
        "reads_the_roster",
        NO_FILE,
        """
def reads_the_roster(*args):
    with open("ROSTER") as file:
        raise ValueError(file.read())
""",
        alone=False,
    ),
    Attack(
        "reads_other_students",
        NO_FILE,
        """
import os
def reads_other_students(*args):
    raise ValueError(os.listdir("SUBMISSIONS"))
""",
        alone=False,
    ),
    Attack(
        "writes_outside",
        "it raised PermissionError: wrote 0",
        """
import os
PLACES = "OUTSIDE SUBMISSIONS ROOT / /usr /root /home /etc /dev /dev/shm /var/tmp".split()
def writes_outside(*args):
    wrote = 0
    for place in PLACES:
        try:
            os.makedirs(place, exist_ok=True)
            with open(os.path.join(place, "hostile-was-here"), "w") as file:
                file.write("x")
            wrote += not place.startswith("/tmp/")
        except OSError:
            pass
    raise PermissionError(f"wrote {wrote}")
""",
        alone=False,
    ),
    Attack(
        "reads_other_processes",
        "it raised ValueError: saw 2 processes",
        """
import os
def reads_other_processes(*args):
    saw = len(list(filter(str.isdigit, os.listdir("/proc"))))  # bubblewrap's and this one
    raise ValueError(f"saw {saw} processes")
""",
        alone=False,
    ),
    Attack(
        "uses_the_network",
        "no network",
        """
import socket
def uses_the_network(*args):
    try:
        socket.create_connection(("127.0.0.1", PORT), 2).sendall(b"hello")
    except OSError as error:
        raise OSError(error.errno, "no network") from error
""",
        alone=False,
    ),
    Attack(
        "makes_namespaces",
        "it raised PermissionError: refused",
        """
import ctypes
def makes_namespaces(*args):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x10000000) == -1 and libc.mount(b"x", b"/tmp", b"tmpfs", 0, 0) == -1:
        raise PermissionError("refused")
""",
        alone=False,
    ),
    Attack(
        "patches_the_checker",
        NO_NUMBER,
        """
import builtins, json, math, torch
def patches_the_checker(x):
    for name in ("allclose", "equal", "isclose", "is_tensor"):
        setattr(torch, name, lambda *args, **options: True)
    torch.Tensor.__eq__ = torch.Tensor.__ne__ = lambda self, other: torch.ones(1) > 0
    torch.Tensor.isfinite = torch.Tensor.allclose = lambda self, *args: True
    math.isclose = lambda *args, **options: True
    json.loads = lambda *args, **options: {}
    builtins.all = lambda *args: True
    return x.sum(1) * 0
""",
    ),
    Attack(
        "tampers_with_modules",
        UNREADABLE,
        """
import sys, types
def tampers_with_modules(*args):
    class Everything(types.ModuleType):
        def __getattr__(self, name):
            return lambda *args, **options: True
    for name in ("vae_lib", "vae_lib.checks", "vae_lib.checks.engine", "vae_lib.grade"):
        sys.modules[name] = Everything(name)
    for name in [name for name in sys.modules if name.startswith("asking")]:
        sys.modules[name].encode = lambda value: {"points": 100}
    return args[0]
""",
    ),
    Attack(
        "drops_asserts",
        NO_NUMBER,
        """
import ast, builtins, sys
class Drop(ast.NodeTransformer):
    def visit_Assert(self, node):
        return ast.Pass()
    def visit_Raise(self, node):
        return ast.Pass()
def drops_asserts(x):
    real = builtins.compile
    builtins.compile = lambda text, *args, **named: real(Drop().visit(ast.parse(text)), *args)
    sys.excepthook = lambda *args: None
    return x.sum(1) * 0
""",
    ),
    Attack(
        "forges_replies",
        UNREADABLE,
        """
import os
REPLY = b'{"id": %d, "value": 1.0, "grads": [], "touched": false, "points": 100, "passed": true}'
def forges_replies(*args):
    for number in range(3, 64):
        for text in (b'{"ready": true}', REPLY % 1, REPLY % 2, bytes([128, 4, 46])):
            try:
                os.write(number, text + bytes([10]))
            except OSError:
                pass
    return args[0]
""",
    ),
    Attack(
        "forges_the_next_reply",
        NO_NUMBER,
        """
import json, os, sys
def forges_the_next_reply(*args):
    frame = sys._getframe()
    while "replies" not in frame.f_locals:
        frame = frame.f_back
    value = {"tensor": ["float32", [4], "AAAA" * 5 + "AA=="]}
    reply = {"id": frame.f_locals["request"]["id"], "value": value, "grads": [], "touched": False}
    reply |= {"hint": "", "points": 100, "passed": True}
    frame.f_locals["replies"].write(json.dumps(reply).encode() + bytes([10]))
    frame.f_locals["replies"].flush()
    os._exit(0)
""",
    ),
    Attack(
        "huge_output",
        NO_NUMBER,
        """
import os, sys
def huge_output(x):
    print("x" * (1 << 26))
    for number in (0, 1, 2):
        os.write(number, b"y" * (1 << 20))
    return x.sum(1) * 0
""",
        alone=False,
    ),
    Attack(
        "huge_answer",
        "it returned more than",
        """
import torch
def huge_answer(*args):
    return torch.zeros(1 << 23)
""",
    ),
    Attack(
        "endless_line",
        "it returned more than",
        """
import os
def endless_line(*args):
    while True:
        for number in range(3, 16):
            try:
                os.write(number, b"x" * 65536)
            except OSError:
                pass
""",
    ),
    Attack(
        "reads_frames",
        "it raised LookupError: found nothing",
        """
import gc, sys
WANTED = ("expected", "wanted", "mistakes", "formula", "question", "roster", "points")
def reads_frames(*args):
    frame = sys._getframe().f_back
    while frame is not None:
        for name in WANTED:
            if name in frame.f_locals:
                return frame.f_locals[name]
        frame = frame.f_back
    for one in gc.get_objects():
        if type(one).__name__ in ("Check", "Question", "Exam", "Report", "Mark"):
            return one
    raise LookupError("found nothing")
""",
        alone=False,
    ),
    Attack(
        "reads_the_references",
        "it raised ModuleNotFoundError",
        """
def reads_the_references(*args):
    from vae_lib.checks import set_a_core
    return core.gaussian_kl(*args)
""",
        alone=False,
    ),
    Attack(
        "searches_the_references",
        "it raised LookupError: found 0",
        """
import os, sys
def searches_the_references(*args):
    found = []
    for start in ("ROOT", "/tmp", "/root", "/home", *sys.path):
        for name in ("core.py", "vae_lib", "notebooks", "checks", "grade", "small_set.py"):
            found += [name] if os.path.exists(os.path.join(start, name)) else []
    raise LookupError(f"found {len(found)}")
""",
        alone=False,
    ),
    Attack(
        "equals_everything",
        NO_NUMBER,
        """
class Yes(float):
    def __eq__(self, other):
        return True
    def __ne__(self, other):
        return False
    def __sub__(self, other):
        return 0.0
    __rsub__ = __sub__
    __hash__ = float.__hash__
def equals_everything(x):
    return [Yes(0)] * len(x)
""",
        alone=False,
    ),
    Attack(
        "not_a_number",
        "infinite or not a number",
        """
def not_a_number(x):
    return x.sum(1) * float("nan")
""",
        alone=False,
    ),
    Attack(
        "torch_function",
        NO_NUMBER,
        """
import torch
class Right(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        if function.__name__ in ("allclose", "equal", "eq", "isfinite"):
            return True
        return super().__torch_function__(function, types, args, kwargs or {})
    def __reduce_ex__(self, protocol):
        return (exec, ("import os; os._exit(0)",))
def torch_function(x):
    return torch.zeros(len(x)).as_subclass(Right)
""",
        alone=False,
    ),
    Attack(
        "pickles",
        "it raised TypeError",
        """
import pickle
class Payload:
    def __reduce__(self):
        return (open, ("OUTSIDE/hostile-was-here", "w"))
def pickles(*args):
    return pickle.dumps(Payload())
""",
        alone=False,
    ),
    Attack(
        "sends_what_is_sent",
        "it returns {'tensor'",
        """
def sends_what_is_sent(*args):
    return {"tensor": ["float32", [4], "AAAAAAAAAAAAAAAAAAAAAA=="]}
""",
        alone=False,
    ),
    Attack(
        "beyond_64_bits",
        UNREADABLE,
        """
def beyond_64_bits(*args):
    return [10**1000] * 4
""",
    ),
    Attack(
        "nests_deeply",
        "it raised",
        """
def nests_deeply(*args):
    value = []
    for _ in range(100_000):
        value = [value]
    return value
""",
        alone=False,
    ),
    Attack(
        "nests_a_little",
        UNREADABLE,
        """
def nests_a_little(*args):
    value = []
    for _ in range(100):
        value = [value]
    return value
""",
    ),
    Attack(
        "strange_text",
        "it raised ValueError: =cmd",
        """
def strange_text(*args):
    raise ValueError("=cmd()" + chr(0xD800) + chr(27) + "[31m" + chr(10) + ',"' + chr(0x202E))
""",
        alone=False,
    ),
    Attack(
        "leaves_threads",
        "",
        """
import os, threading, time
def forever():
    while True:
        time.sleep(0.001)
        for number in range(3, 16):
            try:
                os.write(number, b'{"id": 1, "value": 1.0}' + bytes([10]))
            except OSError:
                pass
def leaves_threads(x):
    threading.Thread(target=forever).start()
    time.sleep(0.1)
    return x.sum(1) * 0
""",
    ),
    Attack(
        "waits_for_the_exit",
        NO_NUMBER,
        """
import atexit, signal, time
def later(*args):
    while True:
        time.sleep(1)
def waits_for_the_exit(x):
    atexit.register(later)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGXCPU):
        signal.signal(number, later)
    return x.sum(1) * 0
""",
    ),
    Attack(
        "steals_requests",
        TOO_LONG,
        """
import os
def steals_requests(*args):
    while True:
        for number in range(3, 16):
            try:
                os.read(number, 1 << 20)
            except OSError:
                pass
""",
    ),
    Attack(
        "closes_all",
        (ENDED, TOO_LONG),
        """
import os
def closes_all(*args):
    os.closerange(0, 256)
    return args[0]
""",
    ),
    Attack(
        "claims_to_be_unwritten",
        "not written yet",
        """
def claims_to_be_unwritten(*args):
    raise NotImplementedError
""",
        alone=False,
    ),
)


def source_of(attack, places):
    """The source with the capital words replaced.  places: {word: what the attack aims at}."""
    text = attack.source.strip()
    for word, place in places.items():
        text = text.replace(word, str(place))
    return text
