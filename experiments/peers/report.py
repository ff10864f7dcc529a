"""What the numbers say: rates, ratios, the refusal to compare unlike models, and the tables."""

import statistics

from . import PEERS

TOLERANCE = 1.5  # nats per image from ours; or three standard deviations over seeds, if more
NETS = {"mlp": "MLP 784-400-20", "conv": "conv 32-64-128-20"}
CLOCKS = {1: "cpu", 2: "wall"}  # threads: the clock that is read


def name_of(peer):
    return PEERS[peer][1]


def ours_for(peer):
    """The row of ours that computes in the same precision."""
    return "ours_bf16" if peer.endswith("_bf16") else "ours"


def is_peer(name):
    return name not in ("ours", "ours_bf16", "floor")


def check_equal(elbos, seeds):
    """ValueError unless all peers have trained the same model.

    elbos: {peer: test ELBO in nats}.  seeds: what ours gives over several seeds, from the same
    initial weights and in as many steps.
    """
    center, tolerance = statistics.mean(seeds), max(TOLERANCE, 3 * statistics.stdev(seeds))
    for peer, elbo in elbos.items():
        if not abs(elbo - center) <= tolerance:  # so written that a nan is refused too
            raise ValueError(
                f"the test ELBO of {peer}, {elbo:.2f}, is not within {tolerance:.2f} nats of ours, "
                f"{center:.2f}: it does not train the same model, so its speed is not compared"
            )


def rates(run):
    """Images per second, one for each round: {peer: [...]}; CPU-seconds if on one thread."""
    clock = CLOCKS[run["threads"]]
    return {
        peer: [run["images"] / r[clock] for r in times["rounds"]]
        for peer, times in run["times"].items()
    }


def summarize(run):
    """Medians over the rounds, and how many times faster ours is: medians of paired ratios.

    A round's ratio compares neighbours in time, so that a drift of the machine cancels.
    Raises ValueError when the test ELBOs differ or there is nothing to compare.
    """
    check_equal(run["test_elbo"], run["seed_elbos"])
    each = rates(run)
    peers = [peer for peer in each if is_peer(peer) and ours_for(peer) in each]
    if not peers:
        raise ValueError(f"a ratio needs ours and a peer, got {sorted(each)}")
    median = {peer: statistics.median(values) for peer, values in each.items()}
    ratios = {}
    for peer in peers:
        pairs = zip(each[ours_for(peer)], each[peer], strict=True)
        ratios[peer] = [ours / other for ours, other in pairs]
    return {
        "median": median,
        "ratio": {
            peer: {"median": statistics.median(r), "min": min(r), "max": max(r)}
            for peer, r in ratios.items()
        },
        "fastest_peer": max((p for p in peers if ours_for(p) == "ours"), key=median.get),
    }


def seconds_to(run, target):
    """CPU-seconds until the first epoch whose -ELBO is at most target, or None.

    The first epoch, which traces and compiles, counts at most as the median of the later ones.
    """
    usual = statistics.median(run["epoch_seconds"][1:])
    total = 0.0
    for i, (seconds, bound) in enumerate(zip(run["epoch_seconds"], run["bounds"], strict=True)):
        total += min(seconds, usual) if i == 0 else seconds
        if -bound <= target:
            return total
    return None


def summarize_quality(part):
    """Mean seconds over the seeds of each peer, None where a seed did not arrive; and the ratio."""
    seconds = {}
    for run in part["runs"]:
        seconds.setdefault(run["peer"], []).append(seconds_to(run, part["target"]))
    mean = {p: None if None in each else statistics.mean(each) for p, each in seconds.items()}
    arrived = [p for p in mean if is_peer(p) and mean[p] is not None]
    best = min(arrived, key=mean.get) if arrived else None
    ratio = {
        ours: mean[best] / mean[ours]
        for ours in mean
        if not is_peer(ours) and best is not None and mean[ours] is not None
    }
    return {"seconds": seconds, "mean": mean, "best_peer": best, "ratio": ratio}


def extra(run, peer):
    """What the first epoch took more than the median of the later ones, in CPU-seconds."""
    times = run["times"][peer]
    return times["warm_up"]["cpu"] - statistics.median(r["cpu"] for r in times["rounds"])


def throughput_table(run):
    """A row for each peer; a ratio below one means that the peer is faster."""
    summary, threads = summarize(run), run["threads"]
    clock = "CPU-second, 1 thread" if threads == 1 else f"second, {threads} threads"
    rows = [
        f"| {NETS[run['net']]} | images per {clock} | vae_lib is faster by | over the rounds "
        "| first epoch, extra CPU-seconds | test ELBO |",
        "|---|---|---|---|---|---|",
    ]
    for peer in sorted(summary["median"], key=summary["median"].get, reverse=True):
        ratio, elbo = summary["ratio"].get(peer), run["test_elbo"].get(peer)
        cells = [
            name_of(peer),
            f"{summary['median'][peer]:,.0f}",
            f"{ratio['median']:.2f}" if ratio else "",
            f"{ratio['min']:.2f} to {ratio['max']:.2f}" if ratio else "",
            f"{extra(run, peer):.1f}",
            "" if elbo is None else f"−{-elbo:.2f}",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def quality_table(result):
    """Time to quality: a row for each peer."""
    part = result["time_to_quality"]
    summary = summarize_quality(part)
    rows = [
        f"| MLP to a test ELBO of −{part['target']} | recipe | CPU-seconds, 1 thread "
        "| seeds | epochs | vae_lib is faster by |",
        "|---|---|---|---|---|---|",
    ]
    ours = summary["mean"].get("ours")
    for peer in sorted(summary["mean"], key=lambda p: summary["mean"][p] or float("inf")):
        runs = [run for run in part["runs"] if run["peer"] == peer]
        mean, run = summary["mean"][peer], runs[0]
        recipe = f"{run['schedule']} {run['lr']:g}, batch {run['batch_size']}".replace("_", "-")
        spent, best = sum(run["epoch_seconds"]), max(run["bounds"])
        shown = f"not reached in {spent:.0f} (−{-best:.2f})" if mean is None else f"{mean:.0f}"
        ratio = f"{mean / ours:.1f}" if is_peer(peer) and None not in (mean, ours) else ""
        cells = [name_of(peer), recipe, shown, str(len(runs)), str(len(run["bounds"])), ratio]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def profile_table(result, n=4):
    """Where a step's time goes: the n dearest operators of each profiled peer."""
    rows = ["| net | library | share of the time of a step |", "|---|---|---|"]
    for net, part in result["profiles"].items():
        for peer, shares in part["shares"].items():
            dearest = sorted(shares, key=shares.get, reverse=True)[:n]
            words = ", ".join(f"`{name}` {shares[name]:.0%}" for name in dearest)
            rows.append(f"| {net} | {name_of(peer)} | {words} |")
    return "\n".join(rows)


def tables(result):
    """Those of the results page: both nets at each thread count, time to quality, profiles."""
    parts = [throughput_table(run) for run in result["throughput"].values()]
    return "\n\n".join([*parts, quality_table(result), profile_table(result)])
