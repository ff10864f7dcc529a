"""Where a peer's time goes: the operators' share of one epoch, on one thread.

Torch peers are seen by torch's profiler, Keras by that of its backend, which counts what XLA or
tensorflow calls an operator.
"""

import glob
import re
import tempfile
from collections import Counter

TOP = 12
N_IMAGES = 6_400
WORKERS = ("tf_Compute", "tf_XLA", "tf_data")


class TorchProfiler:
    def start(self):
        from torch.profiler import ProfilerActivity
        from torch.profiler import profile as torch_profile

        self.profile = torch_profile(activities=[ProfilerActivity.CPU])
        self.profile.start()

    def stop(self):
        self.profile.stop()
        return {e.key: e.self_cpu_time_total / 1e6 for e in self.profile.key_averages()}


class KerasProfiler:
    """The trace of tensorflow or jax; both write the format that jax can read."""

    def __init__(self, peer):
        self.peer = peer

    def start(self):
        self.folder = tempfile.mkdtemp()
        if self.peer == "keras_tf":
            import tensorflow as tf

            tf.profiler.experimental.start(self.folder)
        else:
            import jax

            jax.profiler.start_trace(self.folder)

    def stop(self):
        import jax

        if self.peer == "keras_tf":
            import tensorflow as tf

            tf.profiler.experimental.stop()
        else:
            jax.profiler.stop_trace()
        (path,) = glob.glob(f"{self.folder}/**/*.xplane.pb", recursive=True)
        seconds = Counter()
        for plane in jax.profiler.ProfileData.from_file(path).planes:
            for line in plane.lines:
                if not line.name.startswith(WORKERS):
                    continue  # python, which waits for these
                for event, alone in own_time(list(line.events)):
                    # the operator's kind ends a tensorflow path; XLA numbers its own
                    name = re.sub(r"\.\d+$", "", event.name.split(":")[-1])
                    if "wait for completion" not in name:
                        seconds[name] += alone / 1e9
        return dict(seconds)


def own_time(events):
    """Each event of one thread with its nanoseconds less those of the events inside it."""
    stack, result = [], []
    for event in sorted(events, key=lambda e: (e.start_ns, -e.duration_ns)):
        while stack and stack[-1][0].end_ns <= event.start_ns:
            result.append(tuple(stack.pop()))
        if stack:
            stack[-1][1] -= event.duration_ns
        stack.append([event, event.duration_ns])
    return result + [tuple(item) for item in stack]


def make_profiler(peer):
    return KerasProfiler(peer) if peer.startswith("keras") else TorchProfiler()


def shares(seconds, top=TOP):
    """{operator: share of the time of all}, the largest first."""
    total = sum(seconds.values())
    largest = sorted(seconds, key=seconds.get, reverse=True)[:top]
    return {name: round(seconds[name] / total, 4) for name in largest}
