"""Interleaved rounds: every peer is a process of its own and trains an epoch when told to."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

EXPERIMENTS = Path(__file__).parents[1]


class Racer:
    """The process of one peer; `epoch()` lets it train one and returns its cpu and wall seconds.

    Leaving the context ends it.  What it prints goes to a log beside its weights.
    """

    def __init__(self, task):
        self.task = task
        self.log = Path(task.weights).with_suffix(".log")

    def __enter__(self):
        paths = [str(EXPERIMENTS.parent), os.environ.get("PYTHONPATH", "")]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "peers.worker", json.dumps(dataclasses.asdict(self.task))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log.open("w"),
            text=True,
            cwd=EXPERIMENTS,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
        )
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def epoch(self):
        try:
            self.process.stdin.write("go\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise RuntimeError(f"{self.task.peer} died; the end of its log: {self.log_end()}")
        return json.loads(line)

    def log_end(self):
        return self.log.read_text()[-2000:]


def race(racers, rounds):
    """One epoch to warm up (imports are outside, tracing inside), then `rounds` of A B C, A B C.

    Returns {peer: {"warm_up": {cpu, wall}, "rounds": [{cpu, wall}, ...]}}.
    """
    result = {r.task.peer: {"warm_up": r.epoch(), "rounds": []} for r in racers}
    for _ in range(rounds):
        for r in racers:
            result[r.task.peer]["rounds"].append(r.epoch())
    return result
