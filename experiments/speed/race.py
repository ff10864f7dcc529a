"""One recipe, many seeds: the mean seconds to a mean -ELBO; part of speedrun.py."""

import math
import statistics
from functools import partial
from typing import NamedTuple

import vae_lib as vl

from .timing import timed_fit


class Recipe(NamedTuple):
    """One way to a target: nats per image, seconds that would be good, model and TrainConfig."""

    target: float
    goal: float
    model: dict
    config: dict


def run_seed(recipe, seed, bench):
    """Train one seed: final test -ELBO, -ELBO after each epoch, seconds inside and outside."""
    config = recipe.config | {"seed": seed}
    model, history, outside = timed_fit(recipe.model, bench.images, config, bench.test)
    return {
        "neg_elbo": -vl.evaluate_elbo(model, bench.test).value,
        "curve": [-value for value in history["valid_value"]],
        "seconds": history["seconds"],
        "outside": outside,
    }


def race(name, recipe, seeds, bench):
    """The summary of a recipe over its seeds; each seed is stored when it is done."""
    runs = []
    for seed in range(seeds):
        settings = recipe._asdict() | {"seed": seed}
        run = bench.kept(f"{name}_s{seed}", settings, partial(run_seed, recipe, seed, bench))
        print(
            f"{name}, seed {seed}: -ELBO {run['neg_elbo']:.2f} after {sum(run['seconds']):.3f} s; "
            f"outside the clock {run['outside']['warm_up']:.1f} s of warm-up and compiling, "
            f"{run['outside']['other']:.1f} s of capture and evaluation",
            flush=True,
        )
        runs.append(run)
    return summary(recipe, runs)


def spread(values):
    """Mean and sd over the seeds, and each value."""
    sd = statistics.stdev(values) if len(values) > 1 else None
    return {"mean": statistics.mean(values), "sd": sd, "values": values}


def summary(recipe, runs):
    """The score of a recipe: its mean seconds if the mean -ELBO reaches the target, else None.

    t: the t statistic of "the mean -ELBO is under the target"; with ten seeds, 1.83 and more is
    significant at 5 percent.  first_epoch: its seconds over the median of the others, far above
    1 if compiling leaked into the clock.
    """
    neg_elbo = spread([run["neg_elbo"] for run in runs])
    seconds = spread([sum(run["seconds"]) for run in runs])
    margin, sd = recipe.target - neg_elbo["mean"], neg_elbo["sd"]
    first = [run["seconds"][0] / statistics.median(run["seconds"][1:]) for run in runs]
    outside = {k: spread([run["outside"][k] for run in runs]) for k in runs[0]["outside"]}
    return {
        "recipe": recipe._asdict(),
        "neg_elbo": neg_elbo,
        "seconds": seconds,
        "score": seconds["mean"] if margin >= 0 else None,
        "goal_met": margin >= 0 and seconds["mean"] <= recipe.goal,
        "t": margin * math.sqrt(len(runs)) / sd if sd else None,
        "first_epoch": statistics.mean(first),
        "outside": outside,
        "runs": runs,
    }
