"""The floor of an epoch: no version of a training step runs much faster than this.

Arithmetic: the counted floating-point operations over the measured rate of a large matrix product.
Activations: what the backward pass needs, written once and read once, over the measured rate of a
large copy.  The floor is their sum.  Weights, optimiser, random numbers and the batch itself are
left out, so the true floor lies a little higher.
"""

import contextlib
import statistics
import time

import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

import vae_lib as vl


def median_seconds(work, device, repeats=10):
    """Median seconds of work(), after three unmeasured calls: CUDA events, or the CPU's clock."""
    times = []
    for _ in range(3 + repeats):
        if device.type == "cuda":
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            work()
            end.record()
            end.synchronize()
            times.append(start.elapsed_time(end) / 1000)
        else:
            begin = time.process_time()
            work()
            times.append(time.process_time() - begin)
    return statistics.median(times[3:])


def machine_rates(device):
    """FLOP/s of a large matrix product in each precision, and bytes/s of a large copy.

    float32 is measured with TF32 on, since cuDNN's convolutions use it.  Random data: zeros are
    faster than any reader's images.
    """
    side, n_bytes = (8192, 2**32) if device.type == "cuda" else (512, 2**26)
    rates, before = {}, torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    for precision in ("float32", "bfloat16"):
        a, b = (
            torch.randn(side, side, device=device, dtype=getattr(torch, precision))
            for _ in range(2)
        )
        rates[precision] = 2 * side**3 / median_seconds(lambda a=a, b=b: a @ b, device)
    torch.set_float32_matmul_precision(before)
    source = torch.randint(256, (n_bytes,), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    seconds = median_seconds(lambda: target.copy_(source), device)
    return rates | {"copy": 2 * n_bytes / seconds}  # each byte is read and written


def work_per_image(model, x, precision):
    """What one image costs in a training step: {"flops": ..., "bytes": ...}.

    x: (2n, C, H, W) in [0, 1].  Bytes are the difference between 2n and n images, so that what
    does not grow with the batch, such as weights cast to half precision, drops out.
    """
    n = len(x) // 2
    with FlopCounterMode(display=False) as counter, _autocast(x, precision):
        (-vl.elbo(model, x).value.mean()).backward()
    grown = _saved_bytes(model, x, precision) - _saved_bytes(model, x[:n].clone(), precision)
    return {"flops": counter.get_total_flops() / len(x), "bytes": 2 * grown / n}


def floor_seconds(work, rates, precision, n_images):
    """The floor of an epoch of n_images, from `work_per_image` and `machine_rates`."""
    return n_images * (work["flops"] / rates[precision] + work["bytes"] / rates["copy"])


def _saved_bytes(model, x, precision):
    storages = {}  # a tensor kept by two operations is one storage

    def note(tensor):
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(note, lambda tensor: tensor), _autocast(x, precision):
        loss = -vl.elbo(model, x).value.mean()
    total = sum(storages.values())
    del loss  # until here it kept the storages, and their addresses, apart
    return total


def _autocast(x, precision):
    if precision == "float32":
        return contextlib.nullcontext()
    return torch.autocast(x.device.type, dtype=getattr(torch, precision))
