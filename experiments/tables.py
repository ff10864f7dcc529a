"""The tables of the results page, Markdown, from what the experiments stored."""

import iwae.report
import iwae_table
import peers.report
import speedrun

from vae_lib import load_result, manifest


def number(summary, places=2):
    """Mean and sd with a true minus, kept on one line."""
    mean, sd = round(summary["mean"], places) + 0.0, summary["sd"]  # + 0.0: no −0.00
    return f"{mean:.{places}f}\u00a0±\u00a0{sd:.{places}f}".replace("-", "−")


def results_table():
    """What the stored runs measured, as a Markdown table for the book."""
    rows = [
        "| run | test ELBO | log p(x given z) | KL | epochs | seconds | on |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, entry in sorted(manifest().items()):
        if "test" not in entry["metrics"]:
            continue  # the classifier
        test = entry["metrics"]["test"]
        cells = [number(test["value"]), number(test["log_px_z"]), f"{test['kl']['mean']:.2f}"]
        if entry["model"]["kind"] == "autoencoder":
            cells[0] = cells[2] = "–"
        threads = f"{entry['threads']} thread{'s' * (entry['threads'] > 1)}"
        rows.append(
            f"| {name} | {' | '.join(cells)} | {entry['config']['epochs']} "
            f"| {entry['seconds']:.0f} | {entry['device']}, {threads} |"
        )
    return "\n".join(rows)


def seeds_table(result):
    """The test value of each pair of chapters 7 to 10 over training seeds."""
    rows = [
        "| run | test value, mean ± sd over seeds | each seed | training seconds |",
        "|---|---|---|---|",
    ]
    for name, run in result["runs"].items():
        values, seconds = (
            ", ".join(f"{value:{form}}".replace("-", "−") for value in run[part])
            for part, form in (("values", ".2f"), ("seconds", ".0f"))
        )
        rows.append(f"| {name} | {number(run)} | {values} | {seconds} |")
    return "\n".join(rows)


def ladder_table(devices):
    """What each rung of chapter 11 saves, as after / before, one column for each device."""
    columns = [
        (net, device, result) for net in ("mlp", "conv") for device, result in devices.items()
    ]
    rungs = next(result for result in devices.values() if result)["ladder"]["conv"]
    heads = " | ".join(f"{net}, {device}" for net, device, _ in columns)
    rows = [f"| seconds of a step, before / after | {heads} |", "|---" * (len(columns) + 1) + "|"]
    for rung in rungs:
        cells = []
        for net, _, result in columns:
            pair = result["ladder"][net].get(rung) if result else None
            cells.append(f"{pair['before'] / pair['after']:.2f}" if pair else "")
        rows.append(f"| {rung} | {' | '.join(cells)} |")
    return "\n".join(rows)


def log_likelihood_table(result):
    """log p(x) at k = 5,000: each way, and how much faster vae_lib is."""
    rows = ["| way | images per CPU-second | vae_lib is faster by | peak MB |", "|---|---|---|---|"]
    rates = result["images_per_cpu_second"]
    for way in sorted(rates, key=rates.get, reverse=True):
        ratio = result["times_faster_than"].get(way)
        if way == result["floor"]:
            ratio = result["fraction_of_floor"]
        shown = "" if ratio is None else f"{ratio:.2f}"
        rows.append(f"| {way} | {rates[way]:.1f} | {shown} | {result['peak_megabytes'][way]} |")
    return "\n".join(rows)


def comparison_table():
    """Every score of chapter 9, mean and sd over seeds, as a Markdown table for the book."""
    models = load_result("comparison")["models"]
    names = ["cae_j2", "vae_j2", "cae_j20", "vae_j20"]
    rows = [f"| score | {' | '.join(names)} |", "|---|---|---|---|---|"]
    for group, scores in models[names[0]].items():
        for score in scores:
            entries = [models[name][group][score] for name in names]
            places = 3 if min(abs(entry["mean"]) for entry in entries) < 1 else 2
            cells = [number(entry, places) for entry in entries]
            label = f"{group}: {score}".replace("_", " ")
            rows.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(rows)


def sweep_table(result):
    """The scores of a sweep of chapter 12, mean and sd over seeds, one row for each point."""
    scores = {
        "rate": "rate",
        "distortion": "distortion",
        "elbo": "ELBO",
        "log_px": "log p(x)",
        "gap": "log p(x) − ELBO",
        "mutual_information": "information",
        "aggregate_kl": "aggregate KL",
        "active": "active latents",
    }
    rows = [f"| beta | latents | {' | '.join(scores.values())} |", "|---" * (len(scores) + 2) + "|"]
    for point in result["points"]:
        cells = [number(point[score], 1 if score == "active" else 2) for score in scores]
        rows.append(f"| {point['beta']:g} | {point['latents']} | {' | '.join(cells)} |")
    return "\n".join(rows)


def of_the_results_page(stored):
    """All of them, in the order of the page; stored(name) is a result or None."""
    ladders = {"CPU": stored("ladder_cpu"), "H200": stored("ladder_h200")}
    return [
        results_table(),
        seeds_table(stored("seeds")),
        comparison_table(),
        ladder_table(ladders),
        sweep_table(stored("beta_sweep")),
        sweep_table(stored("latent_sweep")),
        iwae.report.tables(stored, iwae_table.blocks_of),
        peers.report.tables(stored("peers")),
        log_likelihood_table(stored("log_likelihood")),
        speedrun.table(stored("speedrun")),
    ]
