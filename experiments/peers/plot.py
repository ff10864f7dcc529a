"""The plots of the peers: speed on both nets, and the way to a fixed quality."""

import matplotlib.pyplot as plt
import numpy as np

from vae_lib.plotting import COLORS, use_style

from .report import NETS, name_of, rates, summarize

LINES = {
    "ours": {"color": COLORS["blue"], "lw": 2},
    "ours_bf16": {"color": COLORS["blue"], "lw": 2, "ls": ":"},
}


def plain_name(peer):
    """The name of the tables without their marks for code."""
    return name_of(peer).replace("`", "")


def plot_peers(result, net, threads=1, ax=None):
    """Median images per second of every peer, with the range over the rounds; returns the Axes."""
    run = result["throughput"][f"{net}_{threads}"]
    median, each = summarize(run)["median"], rates(run)
    order = sorted(median, key=median.get)
    ax = ax or plt.subplots(figsize=(6.4, 2.8))[1]
    colors = dict.fromkeys(("ours", "ours_bf16"), COLORS["blue"]) | {"floor": "#cccccc"}
    ends = [(median[p] - min(each[p]), max(each[p]) - median[p]) for p in order]
    ax.barh(
        [plain_name(p) for p in order],
        [median[p] for p in order],
        xerr=list(zip(*ends, strict=True)),
        color=[colors.get(p, COLORS["orange"]) for p in order],
        ecolor=COLORS["black"],
    )
    clock = "CPU-second, 1 thread" if threads == 1 else f"second, {threads} threads"
    ax.set(xlabel=f"images per {clock}", title=NETS[net])
    ax.grid(axis="y", visible=False)
    return ax


def plot_quality(result, ax=None):
    """-ELBO on the test images against the CPU-seconds of training, down to the target."""
    part = result["time_to_quality"]
    ax = ax or plt.subplots(figsize=(6.4, 3.4))[1]
    others = [color for name, color in COLORS.items() if name not in ("blue", "black")]
    ax.set_prop_cycle(color=others)  # blue is ours
    named = set()
    for run in part["runs"]:
        name = plain_name(run["peer"])
        line = LINES.get(run["peer"], {"lw": 1.2})
        seconds = np.cumsum(run["epoch_seconds"])
        ax.plot(seconds, -np.array(run["bounds"]), label="_" if name in named else name, **line)
        named.add(name)
    ax.axhline(part["target"], color=COLORS["black"], lw=0.8, ls="--")
    ax.set(xlabel="CPU-seconds, 1 thread", ylabel="−ELBO (nats per image)", title="MLP, binarised")
    ax.set_ylim(part["target"] - 1, part["target"] + 16)
    ax.legend(fontsize=8)
    return ax


def draw(result):
    """All three in one figure."""
    use_style()
    figure, axes = plt.subplots(3, 1, figsize=(6.4, 9))
    plot_peers(result, "mlp", ax=axes[0])
    plot_peers(result, "conv", ax=axes[1])
    plot_quality(result, ax=axes[2])
    return figure
