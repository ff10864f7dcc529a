"""The table of Burda et al. 2016, trained anew, and the same for Fashion-MNIST.

    python experiments/iwae_table.py TABLE --data FOLDER      TABLE is a key of TABLES
    python experiments/iwae_table.py TABLE --data FOLDER --reduced     ten minutes of one CPU core
    python experiments/iwae_table.py TABLE --data FOLDER --k 1 --seeds 1 --test-images 1000
                                            what a CPU can do of it: some blocks, for the time being

FOLDER holds the idx files of MNIST and binarized_mnist_bits.npz, or those of Fashion-MNIST.

A block is one kind of data, one net and one k.  All its objectives and seeds train together, as
one `Stack` in one `fit`: they see the same images in the same order, while first weights,
binarisations and draws of z are each model's own.  At k = 1 VAE and IWAE are one model.  The paper
trains for 3,280 epochs in batches of 20, with a falling rate; `Plan` is our schedule.

A block that is cut off goes on from its last epoch (_runs/iwae).  Writes
vae_lib/assets/iwae_TABLE.json after every block; chapter 13 and the results page show it.  A block
that is in it is run again only if it was measured by a smaller plan, with fewer seeds or images.
"""

import argparse
import json
import time
from pathlib import Path

import torch
from iwae.training import Block, Plan, judge, train
from speed.timing import write

import vae_lib as vl
from vae_lib.artifacts import RUNS, versions

CHECKPOINTS = Path(__file__).parents[1] / "_runs" / "iwae"
K = (1, 5, 50)
BOTH = ("vae", "iwae")
TABLES = {  # (kind of data, stochastic layers, objectives): a key of `DATA`, and of `NETS`
    "mnist_1": [("stochastic", 1, BOTH), ("fixed", 1, ("iwae",))],
    "mnist_2": [("stochastic", 2, BOTH)],
    "fashion_1": [("fashion", 1, BOTH)],
    "fashion_2": [("fashion", 2, BOTH)],
    "fashion_grey_1": [("grey", 1, BOTH)],
    "fashion_gaussian_1": [("gaussian", 1, BOTH)],
}
# What ten minutes of one core can show: all objectives go on from one trained VAE.
REDUCED = Plan(
    start_epochs=20, epochs=1, batch_size=50, lr=1.5e-3, seeds=1, test_images=500, test_k=1000
)


def blocks_of(table, reduced=False):
    """The blocks of a table, those of few samples first; reduced: of its first rows only."""
    rows = [(k, *row) for k in K for row in TABLES[table][: 1 if reduced else None]]
    return [
        Block(kind, layers, objectives if k > 1 else ("iwae",), k)
        for k, kind, layers, objectives in rows
    ]


def run(block, plan, args):
    """Train and judge a block: a plain dictionary."""
    cpu = time.process_time()
    models, start_seconds, seconds = train(block, plan, args.data, CHECKPOINTS, args.progress)
    trained = time.perf_counter()
    scores = {o: judge(models[o], block, plan, args.data) for o in block.objectives}
    return {
        **block._asdict(),
        "scores": scores,
        "plan": plan._asdict(),
        "start_seconds": start_seconds,
        "seconds": seconds,
        "judging_seconds": time.perf_counter() - trained,
        "cpu_seconds": time.process_time() - cpu,  # of this process: less, if it was resumed
        "device": vl.pick_device().type,
        "versions": versions(),
    }


def is_done(name, blocks, plan):
    """Whether a block is stored, by this plan or by one with more seeds or test images."""
    if name not in blocks:
        return False
    there = plan._replace(**blocks[name]["plan"])
    fewer = there.seeds < plan.seeds or there.test_images < plan.test_images
    return not fewer and there == plan._replace(seeds=there.seeds, test_images=there.test_images)


def store(path, blocks, args, plan):
    """Write the blocks so far, with what is outstanding."""
    names = [block.name for block in blocks_of(args.table, args.reduced)]
    outstanding = [name for name in names if not is_done(name, blocks, plan)]
    done = blocks.values()
    seconds = sum(block["seconds"] + block["judging_seconds"] for block in done)
    result = {
        "table": args.table,
        "device": ", ".join(sorted({block["device"] for block in done})),
        "seconds": seconds + max(block["start_seconds"] for block in done),
        "outstanding": outstanding,
        "blocks": blocks,
    }
    write(result, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", choices=sorted(TABLES))
    parser.add_argument("--data", help="folder of the data set's files")
    parser.add_argument("--reduced", action="store_true", help="for the ordering only: REDUCED")
    parser.add_argument("--k", type=int, nargs="+", choices=K, default=K, help="only these blocks")
    parser.add_argument("--seeds", type=int, help="fewer than planned")
    parser.add_argument("--test-images", type=int, help="fewer than planned")
    parser.add_argument("--no-progress", dest="progress", action="store_false")
    args = parser.parse_args()
    torch.set_float32_matmul_precision("high")  # TF32, where there is such a thing
    whole, ending = (REDUCED, "_reduced") if args.reduced else (Plan(), "")
    fewer = {"seeds": args.seeds, "test_images": args.test_images}
    plan = whole._replace(**{key: value for key, value in fewer.items() if value})
    path = RUNS / f"iwae_{args.table}{ending}.json"
    blocks = json.loads(path.read_text())["blocks"] if path.exists() else {}
    for block in blocks_of(args.table, args.reduced):
        if block.k in args.k and not is_done(block.name, blocks, plan):
            print(f"== {block.name}")
            blocks[block.name] = run(block, plan, args)
            store(path, blocks, args, whole)
    for name, block in blocks.items():
        for objective, score in block["scores"].items():
            mean, sd = score["log_px"]["mean"], score["log_px"]["sd"]
            spread = "" if sd is None else f" +- {sd:.2f}"
            print(f"{name} {objective}: log p(x) {mean:.2f}{spread}, active {score['active']}")
    if args.reduced:
        print("reduced run: the ordering is what it shows, not the values")


if __name__ == "__main__":
    main()
