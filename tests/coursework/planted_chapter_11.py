"""Wrong answers to the exercises of chapter 11."""

from planting import Planted

ORDER, TURNS = "the best change first", "one after the other"
FORWARD, BACKWARD = "forward", "backward"
MEAN, READS, GRAPHS = "the mean over the images", "no number is read on the way", "no graph is kept"
SMALL, LARGE = "small gradients survive", "an overflow"
QUEUE, COLD = "a queue", "a cold start"
DRIFT, INTERRUPTION = "a machine that drifts", "an interruption"

PLANTED = (
    Planted(
        "ex-11-amdahl",
        ORDER,
        "a large factor on a short part saves little",
        """
def best_first(ms, factors):
    order = sorted(range(len(ms)), key=lambda i: -factors[i])
    time, speedups = ms.clone(), []
    for i in order:
        time[i] = time[i] / factors[i]
        speedups.append(ms.sum() / time.sum())
    return torch.tensor(order), torch.stack(speedups)
""",
    ),
    Planted(
        "ex-11-amdahl",
        ORDER,
        "what counts is what it saves",
        """
def best_first(ms, factors):
    order = torch.sort(ms, descending=True).indices
    after = torch.where(torch.ones(len(ms)).cumsum(0)[:, None] > torch.arange(len(ms)),
                        (ms / factors)[order], ms[order]).sum(1)
    return order, ms.sum() / after
""",
    ),
    Planted(
        "ex-11-amdahl",
        TURNS,
        "the gains do not multiply",
        """
def best_first(ms, factors):
    share = ms / ms.sum()
    gain = 1 / (1 - share + share / factors)
    order = gain.argsort(descending=True)
    return order, torch.cumprod(gain[order], 0)
""",
    ),
    Planted(
        "ex-11-amdahl",
        TURNS,
        "the changes made before it stay in force",
        """
def best_first(ms, factors):
    share = ms / ms.sum()
    gain = 1 / (1 - share + share / factors)
    order = gain.argsort(descending=True)
    return order, gain[order]
""",
    ),
    Planted(
        "ex-11-conv-flops",
        FORWARD,
        "for each pixel of its input, not of its output",
        """
def step_flops(layers):
    products = [a * b * k * k * after * after for a, b, k, before, after in layers]
    return 2 * sum(products), 4 * sum(products) - 2 * products[0]
""",
    ),
    Planted(
        "ex-11-conv-flops",
        FORWARD,
        "size times size entries",
        """
def step_flops(layers):
    forward = first = 0
    for n, (a, b, k, before, after) in enumerate(layers):
        flops = 2 * a * b * k * min(before, after) ** 2
        first = flops if n == 0 else first
        forward += flops
    return forward, 2 * forward - first
""",
    ),
    Planted(
        "ex-11-conv-flops",
        BACKWARD,
        "nobody asks for the gradient of the image",
        """
def step_flops(layers):
    forward = sum(2 * a * b * k**2 * min(p, q) ** 2 for a, b, k, p, q in layers)
    return forward, 2 * forward
""",
    ),
    Planted(
        "ex-11-conv-flops",
        BACKWARD,
        "it is the first layer that saves a product",
        """
def step_flops(layers):
    each = [2 * a * b * k**2 * min(p, q) ** 2 for a, b, k, p, q in layers]
    return sum(each), sum(2 * f for f in each[:-1]) + each[-1]
""",
    ),
    Planted(
        "ex-11-sum",
        MEAN,
        "the smaller batch counts too much",
        """
def epoch_mean(loss_of, batches):
    losses = [loss_of(x).detach() for x in batches]
    return torch.stack(losses).mean()
""",
    ),
    Planted(
        "ex-11-sum",
        MEAN,
        "divided by the number of batches",
        """
def epoch_mean(loss_of, batches):
    total = 0
    for x in batches:
        total += loss_of(x).detach() * x.shape[0]
    return total / len(batches)
""",
    ),
    Planted(
        "ex-11-sum",
        READS,
        "numbers are read from the device again and again",
        """
def epoch_mean(loss_of, batches):
    total, n = 0.0, 0
    for x in batches:
        total += loss_of(x).item() * len(x)
        n += len(x)
    return torch.tensor(total / n)
""",
    ),
    Planted(
        "ex-11-sum",
        READS,
        "return the tensor",
        """
def epoch_mean(loss_of, batches):
    total = sum(loss_of(x).detach() * len(x) for x in batches)
    return (total / sum(len(x) for x in batches)).item()
""",
    ),
    Planted(
        "ex-11-sum",
        GRAPHS,
        "earlier batches are still in memory: detach each loss",
        """
def epoch_mean(loss_of, batches):
    total = 0
    for x in batches:
        total = total + loss_of(x) * len(x)
    return total.detach() / sum(map(len, batches))
""",
    ),
    Planted(
        "ex-11-scale",
        SMALL,
        "scale before the cast, divide after going back",
        """
def through_float16(gradient, scale):
    half = (gradient * scale).to(torch.float16)
    if torch.isinf(half).any():
        return 0 * gradient, scale / 2
    half = half / scale
    return half.float(), scale
""",
    ),
    Planted(
        "ex-11-scale",
        SMALL,
        "the scale is still in the gradient",
        """
def through_float16(gradient, scale):
    half = (gradient * scale).half()
    if half.isinf().any():
        return torch.zeros_like(gradient), scale / 2
    return half.float(), scale
""",
    ),
    Planted(
        "ex-11-scale",
        SMALL,
        "it has not been through float16 at all",
        """
def through_float16(gradient, scale):
    if (gradient * scale).abs().max() > 65504:
        return torch.zeros_like(gradient), scale / 2
    return gradient * scale / scale, scale
""",
    ),
    Planted(
        "ex-11-scale",
        LARGE,
        "leave out all of it, not one entry",
        """
def through_float16(gradient, scale):
    back = (gradient * scale).half().float() / scale
    bad = back.isinf()
    if bad.any():
        return back.masked_fill(bad, 0.0), scale / 2
    return back, scale
""",
    ),
    Planted(
        "ex-11-scale",
        LARGE,
        "the scale stays too large",
        """
def through_float16(gradient, scale):
    back = (gradient * scale).half().float() / scale
    return (back if back.isfinite().all() else torch.zeros_like(back)), scale
""",
    ),
    Planted(
        "ex-11-scale",
        LARGE,
        "an infinity passes",
        """
def through_float16(gradient, scale):
    if not (gradient * scale).isfinite().all():
        return torch.zeros_like(gradient), scale / 2
    return (gradient * scale).half().float() / scale, scale
""",
    ),
    Planted(
        "ex-11-clock",
        QUEUE,
        "when the work has been asked for, not when it is done",
        """
def times_as_fast(machine, rounds):
    import statistics
    times = {}
    for r in range(rounds + 1):
        for step in (machine.before, machine.after):
            start = machine.clock()
            step()
            times.setdefault(step.__name__, []).append(machine.clock() - start)
    old, new = (statistics.median(times[name][1:]) for name in ("before", "after"))
    return old / new
""",
    ),
    Planted(
        "ex-11-clock",
        COLD,
        "run both once before you time",
        """
def times_as_fast(machine, rounds):
    import statistics
    old, new = [], []
    for r in range(rounds):
        for step, times in ((machine.before, old), (machine.after, new)):
            start = machine.clock()
            step()
            machine.wait()
            times.append(machine.clock() - start)
    return statistics.median(old) / statistics.median(new)
""",
    ),
    Planted(
        "ex-11-clock",
        DRIFT,
        "take turns",
        """
def times_as_fast(machine, rounds):
    import statistics

    def median_of(step):
        step(), machine.wait()
        times = []
        for _ in range(rounds):
            start = machine.clock()
            step(), machine.wait()
            times.append(machine.clock() - start)
        return statistics.median(times)

    return median_of(machine.before) / median_of(machine.after)
""",
    ),
    Planted(
        "ex-11-clock",
        INTERRUPTION,
        "one interruption spoils a mean",
        """
def times_as_fast(machine, rounds):
    old = new = 0.0
    for r in range(rounds + 1):
        marks = [machine.clock()]
        for step in (machine.before, machine.after):
            step()
            machine.wait()
            marks.append(machine.clock())
        if r:
            old, new = old + marks[1] - marks[0], new + marks[2] - marks[1]
    return old / new
""",
    ),
    Planted(
        "ex-11-clock",
        INTERRUPTION,
        "one interruption spoils a mean of ratios",
        """
def times_as_fast(machine, rounds):
    def timed(step):
        start = machine.clock()
        step()
        machine.wait()
        return machine.clock() - start

    ratios = [timed(machine.before) / timed(machine.after) for _ in range(rounds + 1)]
    return sum(ratios[1:]) / rounds
""",
    ),
)
