"""What log p(x) at k = 5,000 costs: vae_lib, its plain form, pythae, and the matrix products alone.

    python experiments/benchmark_log_likelihood.py [--images 4] [--rounds 9] [--store]

One trained MLP VAE 784-400-20 for all, one thread, process CPU time, the ways taken in turn in
every round; a ratio is the median over rounds.  Needs pythae; without it those rows are left out.
--store writes results/log_likelihood.json.
"""

import argparse
import json
import platform
import statistics
import time
import weakref
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import vae_lib as vl
from vae_lib.artifacts import versions
from vae_lib.objectives import log_weights

RESULT = Path(__file__).parent / "results" / "log_likelihood.json"
K, CHUNK = 5000, 1000
FLOOR_CHUNKS, PYTHAE_BATCHES = (250, 500, 1000, 2500), (100, 1000)


def train():
    """The model, after three epochs on the 10,000 embedded images."""
    images, _ = vl.load_fashion_mnist("train")
    vl.set_seed(0)
    model = vl.make_model("vae", "mlp", 20)
    config = vl.TrainConfig(epochs=3, lr=3e-3, binarize=True, device="cpu", progress=False)
    vl.fit(model, vl.elbo, images, config)
    return model.eval().requires_grad_(False)


def ours(model, x):
    return vl.log_likelihood(model, x, K, chunk=CHUNK).mean().item()


def plain(model, x):
    """`log_weights` in parts of the same size, one image at a time."""
    values = []
    for one in x.split(1):
        log_w = torch.cat([log_weights(model, one, CHUNK)[0] for _ in range(K // CHUNK)])
        values.append(torch.logsumexp(log_w.double(), 0) - torch.tensor(float(K)).log())
    return torch.cat(values).mean().item()


def products(model, x, chunk):
    """The floor: the decoder's two matrix products and nothing else."""
    first, last = (model.decoder.net[i].weight.T for i in (0, 2))
    for z in torch.zeros(len(x), K, 20):
        for part in z.split(chunk):
            torch.mm(torch.mm(part, first), last)


def pythae_model(model):
    """pythae's VAE around the very same layers; its decoder ends in a sigmoid, as its docs ask."""
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder

    class Encoder(BaseEncoder):
        def forward(self, x):
            mu, logvar = model.encode(x)
            return ModelOutput(embedding=mu, log_covariance=logvar)

    class Decoder(BaseDecoder):
        def forward(self, z):
            return ModelOutput(reconstruction=torch.sigmoid(model.decode(z)))

    config = VAEConfig(input_dim=(1, 28, 28), latent_dim=20, reconstruction_loss="bce")
    return VAE(config, Encoder(), Decoder()).eval()


def ways(model):
    """name -> function of the images."""
    result = {"ours": partial(ours, model), "plain": partial(plain, model)}
    for chunk in FLOOR_CHUNKS:
        result[f"products, chunk {chunk}"] = partial(products, model, chunk=chunk)
    try:
        theirs = pythae_model(model)
    except ImportError:
        return result
    for size in PYTHAE_BATCHES:
        name = f"pythae, batch_size {size}"
        result[name] = partial(theirs.get_nll, n_samples=K, batch_size=size)
    return result


class Peak(TorchDispatchMode):
    """The most bytes that live at once in tensors made inside."""

    def __init__(self, model):
        super().__init__()
        self.known = weakref.WeakSet(p.untyped_storage() for p in model.parameters())
        self.live = self.bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            storage = tensor.untyped_storage() if torch.is_tensor(tensor) else None
            if storage is not None and storage not in self.known:
                self.known.add(storage)
                self.live += storage.nbytes()
                weakref.finalize(storage, self._freed, storage.nbytes())
        self.bytes = max(self.bytes, self.live)
        return out

    def _freed(self, count):
        self.live -= count


def peak_megabytes(model, way, x):
    with Peak(model) as peak:
        way(x)
    return round(peak.bytes / 1e6, 1)


def measure(model, x, rounds):
    """CPU seconds of every way in every round, and its last estimate."""
    table = ways(model)
    seconds, values = {name: [] for name in table}, {}
    for _ in range(rounds):
        for name, way in table.items():
            # all draw z from one stream: the estimates must agree far below their own noise
            torch.manual_seed(0)
            start = time.process_time()
            values[name] = way(x)
            seconds[name].append(time.process_time() - start)
    one = x[:1]
    peaks = {name: peak_megabytes(model, way, one) for name, way in table.items()}
    return seconds, {n: v for n, v in values.items() if v is not None}, peaks


def profile(model, x):
    """The ten dearest operators of `log_likelihood`: name, share of the time, calls."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        ours(model, x)
    rows = sorted(profiler.key_averages(), key=lambda r: -r.self_cpu_time_total)
    total = sum(row.self_cpu_time_total for row in rows)
    return [[r.key, round(r.self_cpu_time_total / total, 4), r.count] for r in rows[:10]]


def summary(seconds, values, peaks, n_images):
    """Images per CPU-second, and the ratios, round by round, against the best of each kind."""

    def best(kind):
        names = [name for name in seconds if name.startswith(kind)]
        return min(names, key=lambda name: statistics.median(seconds[name]), default=None)

    def ratio(name, to="ours"):
        pairs = zip(seconds[name], seconds[to], strict=True)
        return round(statistics.median(a / b for a, b in pairs), 3)

    peers = {name: ratio(name) for name in seconds if name.startswith(("plain", "pythae"))}
    spread = max(values.values()) - min(values.values())
    if spread > 1e-2:
        raise AssertionError(f"on the same draws the estimates differ by {spread}: {values}")
    return {
        "images_per_cpu_second": {
            name: round(n_images / statistics.median(s), 2) for name, s in seconds.items()
        },
        "times_faster_than": peers,
        "fraction_of_floor": ratio(best("products")),
        "floor": best("products"),
        "largest_difference_nats": float(f"{spread:.2g}"),
        "mean_log_p": {name: round(float(value), 4) for name, value in values.items()},
        "peak_megabytes": peaks,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--store", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = train()
    x = vl.binarize(vl.load_fashion_mnist("test")[0], torch.Generator().manual_seed(0))
    x = x[: args.images]
    with torch.no_grad():  # pythae leaves that to its user
        seconds, values, peaks = measure(model, x, args.rounds)
        result = summary(seconds, values, peaks, len(x))
        result["profile"] = profile(model, x)
    try:
        pythae = version("pythae")
    except PackageNotFoundError:
        pythae = None
    result["settings"] = dict(k=K, chunk=CHUNK, threads=1, **vars(args))
    result["versions"] = versions() | dict(pythae=pythae, machine=processor())
    print(json.dumps(result, indent=1))
    if args.store:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")


def processor():
    """The processor's name, where Linux tells it, and what torch makes of it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{names[0] if names else platform.machine()}, {capability}"


if __name__ == "__main__":
    main()
