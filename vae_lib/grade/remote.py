"""Asking an answer that runs in a sandboxed child: a line of JSON there, a line of JSON back.

Whatever comes back, forged or malformed, is at worst a wrong answer.
"""

import json
import os
import select
import threading
import time

import torch

from ..checks.calling import Reply
from ..checks.engine import NotWritten, Wrong
from . import wire
from .sandbox import ChildFailed, kill

# Checks run one at a time, so that they may use torch's own random stream; while a child
# computes, the next check has its turn.
TURN = threading.Lock()
UNREADABLE = (ValueError, TypeError, KeyError, RecursionError, RuntimeError, OverflowError)


MOST_FAULTS = 4  # a new child costs seconds: a notebook that keeps killing its own is left alone


class Fatal(Wrong):
    """A wrong answer that ended, blocked or confused its child."""


class Remote:
    """The child of one submission, started when first asked and again after it ended.

    launch: a `sandbox.Sandbox`.  limits: its `Limits`.  imports: modules to load while no time
    counts.  Use it in a `with` statement.
    """

    def __init__(self, launch, limits, imports=()):
        self.launch, self.limits, self.imports = launch, limits, imports
        self.left = limits.submission
        self.process, self.number, self.faults = None, 0, 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def asking(self, source, function, given=None):
        """`ask(*args, seed=0, wrt=())` for one question, see `vae_lib.checks.engine`.

        source: all that the function needs.  given: {name: source} of references to put in
        place of the answer's own functions.
        """
        left, fatal = self.limits.seconds, None

        def ask(*args, seed=0, wrt=()):
            nonlocal left, fatal
            if fatal:
                raise Wrong(fatal)
            self.number += 1
            request = {
                "id": self.number,
                "source": source,
                "function": function,
                "given": given or {},
                "args": [wire.encode(arg) for arg in args],
                "seed": seed,
                "wrt": list(wrt),
                "dtype": str(torch.get_default_dtype()).removeprefix("torch."),
            }
            before = self.left
            try:
                return self._read(self._send(request, min(left, self.left)), len(wrt))
            except Fatal as fault:
                fatal = str(fault)
                raise
            finally:
                left -= before - self.left

        return ask

    def _send(self, request, seconds):
        """The line that answers a request; other checks run meanwhile."""
        state = torch.get_rng_state()
        TURN.release()
        try:
            return self._timed(json.dumps(request).encode("ascii") + b"\n", seconds)
        finally:
            TURN.acquire()
            torch.set_rng_state(state)

    def _timed(self, request, seconds):
        too_long = f"it took longer than {self.limits.seconds:g} s for the whole question"
        if self.left <= 0:
            too_long = f"the notebook took longer than {self.limits.submission:g} s in all"
        if seconds <= 0:
            raise Fatal(too_long)
        if self.faults >= MOST_FAULTS:
            raise Fatal(f"not asked: the notebook ended or blocked {MOST_FAULTS} processes before")
        self._start()
        began = time.monotonic()
        try:
            return self._exchange(request, seconds)
        except TimeoutError:
            raise self._fault(too_long) from None
        except EOFError as ended:
            raise self._fault(str(ended)) from None
        finally:
            self.left -= time.monotonic() - began

    def _start(self):
        if self.process is not None:
            return
        self.process = self.launch(self.imports)
        for pipe in (self.process.stdin, self.process.stdout):
            os.set_blocking(pipe.fileno(), False)
        try:
            ready = self._exchange(b"", self.limits.start)
        except (TimeoutError, EOFError) as error:
            self.stop()
            raise ChildFailed(f"the runner did not start: {error or 'it took too long'}") from None
        if json.loads(ready) != {"ready": True}:
            raise ChildFailed(f"the runner began with {ready[:80]!r}")

    def _exchange(self, request, seconds):
        """Write, and read up to a newline.  Raises TimeoutError, or EOFError with a hint."""
        deadline = time.monotonic() + seconds
        to, of, got = self.process.stdin, self.process.stdout, bytearray()
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            readable, writable, _ = select.select([of], [to] if request else [], [], left)
            if writable:
                try:
                    request = request[os.write(to.fileno(), request[:65536]) :]
                except BrokenPipeError:
                    request = b""
            if readable:
                block = os.read(of.fileno(), 1 << 20)
                got += block
                if not block:
                    raise EOFError(
                        "it ended the process that ran it: an exit, a crash or too much memory"
                    )
                if b"\n" in block:
                    return bytes(got)
                if len(got) > self.limits.reply:
                    raise EOFError(f"it returned more than {self.limits.reply >> 20} MB")

    def _read(self, line, gradients):
        """The `Reply` in a line; a line that is none costs the child its life."""
        try:
            data = json.loads(line)
            if data["id"] != self.number:
                raise ValueError("another request's reply")
            if data.get("unwritten") is True:
                raise NotWritten
            if "raised" in data:
                raise Wrong(f"it raised {clean(str(data['raised']), 200)}")
            grads = tuple(wire.decode(grad) for grad in data["grads"])
            tensors = all(g is None or isinstance(g, torch.Tensor) for g in grads)
            if len(grads) != gradients or not tensors:
                raise ValueError("not the gradients that were asked for")
            return Reply(wire.decode(data["value"]), grads, data["touched"] is not False)
        except UNREADABLE:
            raise self._fault("what came back from it cannot be read") from None

    def _fault(self, hint):
        """An answer that cost its child's life: the rest of its question is not asked."""
        self.stop()
        self.faults += 1
        return Fatal(hint)

    def stop(self):
        """Kill the child and everything it started."""
        process, self.process = self.process, None
        if process is None:
            return
        kill(process)
        process.wait()
        process.stdin.close()
        process.stdout.close()


def clean(text, most):
    """A stranger's text on one line, printable, at most that many characters."""
    text = "".join(c if c.isprintable() else " " for c in text)
    text = " ".join(text.encode("utf-8", "replace").decode("utf-8").split())
    return text if len(text) <= most else text[: most - 1] + "…"
