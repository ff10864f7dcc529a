"""Runs inside the sandbox: reads requests, calls the answer, writes replies.  A file of its own.

It sees inputs and never an expected value or a score.  Nothing it says is trusted: to overthrow
this file gains an answer nothing, for the grader compares what comes out with what is right.
"""

import contextlib
import importlib
import json
import os
import random
import resource
import sys
import types


def main(settings):
    """Serve requests, a line of JSON each, until standard input ends.

    settings: `Limits`, the path of the library, and modules to import before time counts.
    """
    requests, replies = _take_channel()
    sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), *settings["path"]]
    _limit(settings)
    import torch

    for name in settings["imports"]:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_AS, (_in_use() + settings["memory"],) * 2)
    _write(replies, {"ready": True})
    known = (None, None)
    for line in requests:
        request = json.loads(line)
        what = (request["source"], request["function"], request["given"])
        reply = {"id": request["id"]}
        try:
            torch.set_default_dtype(getattr(torch, request["dtype"]))
            if known[0] != what:
                known = (what, _load(*what))
            reply |= _answer(known[1], request)
        except NotImplementedError:
            reply["unwritten"] = True
        except BaseException as error:  # an answer may raise anything, SystemExit too
            reply["raised"] = _told(error)
        _write(replies, reply)


def _take_channel():
    """The pipes to the grader; the answer's own input and output lead nowhere."""
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    return requests, replies


def _limit(settings):
    for name, most in (
        (resource.RLIMIT_CPU, int(settings["cpu"])),
        (resource.RLIMIT_FSIZE, int(settings["file"])),
        (resource.RLIMIT_NOFILE, 256),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(name)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(name, (most, most))


def _in_use():
    """The address space, in bytes: with CUDA's libraries torch alone takes gigabytes of it."""
    with open("/proc/self/statm") as table:
        return int(table.read().split()[0]) * resource.getpagesize()


def _load(source, function, given):
    """The asked function.  given: {name: source} of references put in place of own functions."""
    module = types.ModuleType("answer")
    sys.modules["answer"] = module  # dataclasses look their module up
    for name, text in given.items():
        space = {"__name__": "given"}
        exec(compile(text, "<reference>", "exec"), space)
        setattr(module, name, space[name])
    try:
        exec(compile(source, "<notebook>", "exec"), module.__dict__)
    except NotImplementedError as error:
        raise RuntimeError(f"a statement that {function} needs: {_told(error)}") from error
    return getattr(module, function)


def _answer(function, request):
    from asking import calling, wire

    random.seed(request["seed"])
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(request["seed"] % 2**32)
    args = [wire.decode(arg, calling.Made) for arg in request["args"]]
    reply = calling.call(function, args, request["seed"], tuple(request["wrt"]))
    return {
        "value": wire.encode(reply.value),
        "grads": [wire.encode(grad) for grad in reply.grads],
        "touched": bool(reply.touched),
    }


def _told(error):
    with contextlib.suppress(BaseException):
        return f"{type(error).__name__}: {error}"[:500]
    return "an exception that cannot be shown"


def _write(replies, message):
    replies.write(json.dumps(message).encode("ascii") + b"\n")
    replies.flush()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
