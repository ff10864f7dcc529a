"""How long the instant check of each exercise takes, on one thread.

    python experiments/benchmark_checks.py [--rounds N]

Asks the reference answers of the committed notebooks.  Prints the slowest questions: CPU
milliseconds of one check, the median of N rounds after one to warm up.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import torch

sys.path.append(str(Path(__file__).parents[1] / "tests" / "coursework"))

from references import reference

from vae_lib.checks import check, questions


def milliseconds(name, rounds):
    """CPU milliseconds of one check: the first, and the median of the later ones."""
    answer, times = reference(name), []
    for _ in range(rounds + 1):
        begin = time.process_time()
        check(name, answer)
        times.append(1e3 * (time.process_time() - begin))
    return times[0], statistics.median(times[1:])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    times = {name: milliseconds(name, rounds) for name in questions()}
    medians = [later for _, later in times.values()]
    print(f"{len(times)} checks, median {statistics.median(medians):.1f} ms")
    for name, (first, later) in sorted(times.items(), key=lambda item: -max(item[1]))[:10]:
        print(f"  {name}: first {first:.0f} ms, later {later:.0f} ms")


if __name__ == "__main__":
    main()
