"""The ladder of chapter 11: how much faster each change makes a training step, on this machine.

    python experiments/ladder.py            on the device at hand, about five minutes
    python experiments/ladder.py --rounds 3 --quick    a rehearsal, printed and not stored

It executes the cells tagged `ladder` of notebooks/11_fast_training.ipynb, in their order and in one
namespace, so that the chapter and this script measure with the same code.  Only the number of
rounds differs, and what the chapter leaves out as too slow is measured here: compiling, and the
memory rung in fresh processes.  On a CPU the cells set one thread, also for those processes.
Writes vae_lib/assets/ladder_DEVICE.json, which the chapter shows beside the reader's machine.
"""

import argparse
import json
import os
import re
import tempfile
import time
from pathlib import Path

import torch

from vae_lib.artifacts import RUNS, versions

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "11_fast_training.ipynb"
# what the cells leave in their namespace, and what is stored of it
MEASURED = ("ladder", "operators", "throughput", "roofs", "flops", "first_step", "faults")


def cells(path=NOTEBOOK, tag="ladder"):
    """The sources of the code cells with this tag, in their order, with their numbers."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return {
        number: "".join(cell["source"])
        for number, cell in enumerate(notebook["cells"], 1)
        if cell["cell_type"] == "code" and tag in cell["metadata"].get("tags", [])
    }


def measure(rounds, slow_too, sources=None):
    """Execute the cells; returns what they measured."""
    namespace = {"__name__": "__main__", "ROUNDS": rounds, "SLOW_TOO": slow_too}
    for number, source in (sources or cells()).items():
        print(f"cell {number}: {source.strip().splitlines()[0]}", flush=True)
        exec(compile(source, f"cell {number}", "exec"), namespace)
    return {name: namespace[name] for name in MEASURED}


def machine():
    """The device in words, and the short name under which its ladder is stored."""
    if torch.cuda.is_available():
        name = torch.cuda.get_device_name()
        model = re.search(r"[A-Za-z]+\d+|\d{4}", name)
        return name, model[0].lower() if model else "cuda"
    if torch.backends.mps.is_available():
        return "Apple GPU (mps)", "mps"
    words = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model = re.search(r"model name\s*: (.*)", words)
    flags = [flag for flag in ("avx512f", "avx512_bf16", "amx_bf16") if f" {flag} " in words]
    name = model[1] if model else "unknown CPU"
    return f"{name}, {os.cpu_count()} cores, one thread, {' '.join(flags) or 'no AVX-512'}", "cpu"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="leave out the slow rungs; no file")
    options = parser.parse_args()
    name, short = machine()
    load, start = os.getloadavg()[0], time.perf_counter()
    with tempfile.TemporaryDirectory() as empty:  # nothing compiled earlier is found
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = empty
        measured = measure(options.rounds, slow_too=not options.quick)
    result = measured | {
        "device": short,
        "machine": name,
        "versions": versions(),
        "rounds": options.rounds,
        "load_at_start": round(load, 2),  # other programs on the machine, waiting or running
        "seconds": time.perf_counter() - start,
    }
    if options.quick:
        print(json.dumps(result, indent=1))
        return
    path = RUNS / f"ladder_{short}.json"
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(result, indent=1) + "\n")
    os.replace(partial, path)
    print(f"{path.name}: {result['seconds']:.0f} s")


if __name__ == "__main__":
    main()
