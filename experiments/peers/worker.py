"""The process in which one peer trains: `python -m peers.worker TASK` (JSON), run by `race`.

It trains one epoch for each line it reads from stdin, and answers each with one JSON line: the
CPU and wall seconds of that epoch.  The peer's own loop runs without knowing it.
"""

import dataclasses
import importlib
import json
import os
import sys
import time

import numpy as np

from . import PEERS
from .profiles import make_profiler


@dataclasses.dataclass
class Task:
    """What a peer is to train.

    images: a .npy file.  initial, weights: .npz files, what to start with and what came out.
    """

    peer: str
    net: str
    images: str
    initial: str
    weights: str
    epochs: int
    batch_size: int = 128
    lr: float = 1e-3
    schedule: str = "constant"
    binarize: bool = False
    seed: int = 0
    threads: int = 1
    profile: bool = False

    @property
    def bfloat16(self):
        return self.peer.endswith("_bf16")

    def load_images(self):
        return np.load(self.images)


class Clock:
    """Called at the end of every epoch: answers, waits for the next line, starts anew."""

    def __init__(self, task, out):
        self.task, self.out, self.profiler = task, out, None
        sys.stdin.readline()
        self.start()

    def start(self):
        self.cpu, self.wall = time.process_time(), time.perf_counter()

    def __call__(self, weights):
        cpu, wall = time.process_time() - self.cpu, time.perf_counter() - self.wall
        np.savez(self.task.weights, **{name: np.asarray(w) for name, w in weights().items()})
        answer = {"cpu": cpu, "wall": wall}
        if self.profiler:
            answer["operators"] = self.profiler.stop()
        print(json.dumps(answer), file=self.out, flush=True)
        if not sys.stdin.readline():
            os._exit(0)  # the race is over: the peer's loop is not asked to stop
        if self.task.profile:  # not the first epoch, which traces and compiles
            self.profiler = make_profiler(self.task.peer)
            self.profiler.start()
        self.start()


def limit_threads(threads):
    """Bind this process, and every thread pool that it will start, to so many cores."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[-threads:])
    # read when a library is imported, so set before it
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(threads)
    os.environ["TF_NUM_INTRAOP_THREADS"] = os.environ["TF_NUM_INTEROP_THREADS"] = str(threads)


def main():
    task = Task(**json.loads(sys.argv[1]))
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints goes to the log
    limit_threads(task.threads)
    module = importlib.import_module(f"peers.{PEERS[task.peer][0]}")
    module.train(task, Clock(task, out))


if __name__ == "__main__":
    main()
