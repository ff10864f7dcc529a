"""A training step: what it costs in operations and bytes, recorded as a CUDA graph, compiled.

There is no GPU in the tests.  `FakeGraph` keeps to a recording's rules on the CPU: it repeats the
same operations on the same memory and knows nothing else.
"""

import contextlib
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_train import RESUMED, small_fit, small_images, small_model, without_seconds
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import vae_lib
from vae_lib import TrainConfig, elbo, fit, make_model, step
from vae_lib.devices import World

VIEWS = ("view", "t", "expand", "detach", "alias", "select", "slice", "unbind", "split",
         "as_strided", "_unsafe_view", "transpose", "unsqueeze", "squeeze")  # fmt: skip


class Counting(TorchDispatchMode):
    """Counts the operations that reach the device, views apart, and the bytes they return."""

    def __init__(self):
        super().__init__()
        self.operations, self.bytes, self.dtypes = [], 0, set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name not in VIEWS:
            self.operations.append(name)
            given = {t.data_ptr() for t in tree_leaves((args, kwargs)) if torch.is_tensor(t)}
            new = [t for t in tree_leaves(result) if torch.is_tensor(t)]
            self.dtypes |= {t.dtype for t in new}
            self.bytes += sum(t.nbytes for t in new if t.data_ptr() not in given)
        return result


def cost_of_a_step(net="mlp", **changes):
    """Operations and bytes of one more step, the start and the end of an epoch taken off."""
    images = vae_lib.load_fashion_mnist("train").images[:1280]
    counts = []
    for n_images in (256, 1280):
        model = make_model("vae", net, 20)
        kept = dict(epochs=1, batch_size=128, binarize=True, device="cpu", progress=False)
        with Counting() as count:
            fit(model, elbo, images[:n_images], TrainConfig(**kept | changes))
        counts.append(count)
    few, many = counts
    operations = sorted(many.operations)
    for name in few.operations:
        operations.remove(name)
    return operations, (many.bytes - few.bytes) / 8, many.dtypes


# what it costs today, with a little air: one more copy of the activations does not pass
COSTS = {"mlp": (80, 9e6), "conv": (100, 52e6)}


@pytest.mark.parametrize("net", COSTS)
def test_a_step_costs_so_many_operations_and_bytes(net):
    operations, n_bytes, dtypes = cost_of_a_step(net)
    per_step = len(operations) / 8
    assert per_step <= COSTS[net][0], sorted(set(operations))
    assert n_bytes <= COSTS[net][1]
    assert operations.count("_fused_adam_") == 8
    assert torch.float64 not in dtypes, "MPS has no float64"


@pytest.mark.parametrize("changes", [{}, dict(grad_clip=1.0), dict(precision="float16")])
def test_no_step_reads_a_number(changes):
    """Also not inside torch, where .item() is _local_scalar_dense: the host would wait."""
    operations, _, _ = cost_of_a_step(**changes)
    assert len(operations) > 8 and "_local_scalar_dense" not in operations


def test_the_guard_sees_a_read_a_copy_and_a_loop(monkeypatch):
    """Planted: a number read in the step, a copy of the images, Adam that walks the parameters."""
    backward, adam = step.TrainingStep.backward, torch.optim.Adam

    def reading(self, x, n_images):
        backward(self, x.clone() + 0 * float(x.sum()), n_images)

    with monkeypatch.context() as patch:
        patch.setattr(step.TrainingStep, "backward", reading)
        operations, n_bytes, _ = cost_of_a_step()
    assert "_local_scalar_dense" in operations and n_bytes > COSTS["mlp"][1]
    monkeypatch.setattr(torch.optim, "Adam", lambda *a, fused, **k: adam(*a, foreach=False, **k))
    assert len(cost_of_a_step()[0]) / 8 > COSTS["mlp"][0]


class FakeGraph(TorchDispatchMode):
    """Records operations with the tensors they touched; replay writes to the same memory."""

    def __init__(self):
        super().__init__()
        self.tape, self.replays = [], 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        assert func.overloadpacket.__name__ != "_local_scalar_dense", "a recording cannot read"
        self.tape.append((func, args, kwargs or {}, result))
        return result

    def replay(self):
        self.replays += 1
        with torch.no_grad():
            for func, args, kwargs, result in self.tape:
                old = [t for t in tree_leaves(result) if torch.is_tensor(t)]
                new = tree_leaves(func(*args, **kwargs))
                for to, value in zip(old, filter(torch.is_tensor, new), strict=True):
                    if to.data_ptr() != value.data_ptr():
                        to.copy_(value)


@pytest.fixture
def fake_cuda(monkeypatch):
    """The names of torch.cuda that a recording uses, played on the CPU; returns the recordings."""
    graphs = []

    def make():
        graphs.append(FakeGraph())
        return graphs[-1]

    stream = SimpleNamespace(wait_stream=lambda other: None)
    monkeypatch.setattr(torch.cuda, "Stream", lambda: stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda s: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", make)
    monkeypatch.setattr(torch.cuda, "graph", lambda graph: graph)
    find_place = vae_lib.train._find_place

    def as_on_cuda(config):
        without, device, world = find_place(TrainConfig(**vars(config) | {"cuda_graph": False}))
        return TrainConfig(**vars(without) | {"cuda_graph": config.cuda_graph}), device, world

    monkeypatch.setattr(vae_lib.train, "_find_place", as_on_cuda)
    return graphs


@pytest.mark.parametrize("changes", [{}, *RESUMED.values(), dict(precision="float16")])
def test_a_recorded_step_is_the_step(fake_cuda, changes):
    """Weights and history equal those of a run without a recording, bit for bit.

    40 images in batches of 16: the smaller last batch is no replay, and must not disturb one.
    """
    plain, history = small_fit(**changes)
    recorded, recorded_history = small_fit(cuda_graph=True, **changes)
    assert [graph.replays for graph in fake_cuda] == [4 * 2]
    assert without_seconds(recorded_history) == without_seconds(history)
    for key, value in plain.state_dict().items():
        assert torch.equal(value, recorded.state_dict()[key]), key


def test_a_recorded_run_resumes_exactly(fake_cuda, tmp_path):
    """Stopped in its third epoch and taken up again, where it must be recorded anew."""
    path, calls = str(tmp_path / "c.pt"), []

    def stopping(model, x):
        calls.extend([1] * torch.is_grad_enabled())
        if len(calls) == 6 + 3:  # both sizes, warm-ups, recording; then a smaller batch an epoch
            raise KeyboardInterrupt
        return elbo(model, x)

    with pytest.raises(KeyboardInterrupt):
        small_fit(path, objective=stopping, cuda_graph=True)
    assert len(torch.load(path, weights_only=True)["rows"]) == 2
    resumed, resumed_history = small_fit(path, cuda_graph=True)
    whole, history = small_fit(cuda_graph=True)
    assert len(fake_cuda) == 3
    assert without_seconds(resumed_history) == without_seconds(history)
    for key, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key


def normed_fit(**changes):
    """A net with BatchNorm, whose running mean sees every forward pass."""
    torch.manual_seed(3)
    net = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Linear(64, 1))

    def objective(model, x):
        value = -model(x).squeeze(1).square()
        return vae_lib.Bound(value, value, 0 * value)

    config = TrainConfig(epochs=2, batch_size=16, device="cpu", progress=False, **changes)
    fit(net, objective, small_images(), config)
    return net.state_dict()


@pytest.mark.parametrize("changes", [dict(cuda_graph=True), dict(compile=True)])
def test_preparing_leaves_no_trace(fake_cuda, monkeypatch, changes):
    """Warm-up and recording run before the clock, and no running mean has seen them."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    plain, prepared = normed_fit(), normed_fit(**changes)
    for key, value in plain.items():
        assert torch.equal(value, prepared[key]), key


def test_a_recording_needs_cuda():
    with pytest.raises(ValueError, match="cuda_graph=True needs one process on cuda, got 1 on cpu"):
        small_fit(cuda_graph=True)


def test_compiled_steps_are_the_steps(monkeypatch):
    """Traced and differentiated by torch.compile, but run as it is: writing code takes a minute."""
    compiled, calls = torch.compile, []

    def tracing(module, **kwargs):
        calls.append(module)
        return compiled(module, backend="aot_eager", **kwargs)

    monkeypatch.setattr(torch, "compile", tracing)
    plain, history = small_fit()
    traced, traced_history = small_fit(compile=True)
    assert len(calls) == 1
    assert traced_history["value"] == pytest.approx(history["value"], abs=1e-4)
    for key, value in plain.state_dict().items():
        torch.testing.assert_close(value, traced.state_dict()[key], rtol=1e-3, atol=1e-5)


def mean_code_bound(model, x):
    """No draw in it: compiled code has random numbers of its own."""
    value = model.likelihood.log_prob(x, model.decode(model.encode(x)))
    return vae_lib.Bound(value, value, torch.zeros_like(value))


@given(n=st.integers(1, 40), batch_size=st.integers(1, 17), size=st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_processes_share_every_batch(n, batch_size, size):
    """No image twice, none left out, the order that of one process; empty shares are allowed."""
    images = torch.arange(n, dtype=torch.float32).view(n, 1, 1, 1) / n
    config = TrainConfig(batch_size=batch_size)

    def shares(world):
        order = torch.Generator().manual_seed(5)
        return list(vae_lib.train._shares(images, config, world, order))

    alone = shares(World(0, 1))
    together = [shares(World(rank, size)) for rank in range(size)]
    for i, (whole, n_images) in enumerate(alone):
        parts = [part[i] for part in together]
        assert {count for _, count in parts} == {n_images} == {len(whole)}
        for j, image in enumerate(whole):
            assert torch.equal(image, parts[j % size][0][j // size])
        assert sum(len(x) for x, _ in parts) == n_images


@pytest.mark.parametrize("size", [2, 3])
def test_shares_make_the_gradient_of_the_whole_batch(size):
    """The mean over processes of their gradients, as DDP takes it, on a batch of 7 images."""
    model, images = small_model("autoencoder"), small_images(7) / 255
    config, scaler = TrainConfig(device="cpu"), torch.amp.GradScaler("cpu", enabled=False)

    def gradients(world):
        one = step.TrainingStep(model, mean_code_bound, config, scaler, World(0, 1))
        one.world = world  # no DDP: its mean is taken below
        one(images[world.rank :: world.size], len(images))
        return [p.grad.clone() for p in model.parameters()]

    whole = gradients(World(0, 1))
    parts = [gradients(World(rank, size)) for rank in range(size)]
    for expected, *shared in zip(whole, *parts, strict=True):
        torch.testing.assert_close(sum(shared) / size, expected)


def test_an_unused_parameter_has_no_gradient(fake_cuda):
    """Also after a recording, where gradients are set to zero in place."""
    model = small_model("autoencoder")
    model.unused = nn.Parameter(torch.ones(3))
    config = TrainConfig(2, 16, cuda_graph=True, device="cpu", progress=False)
    fit(model, mean_code_bound, small_images(), config)
    assert model.unused.grad is None and torch.equal(model.unused, torch.ones(3))


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian", "continuous_bernoulli"])
@pytest.mark.parametrize(
    "objective",
    [
        vae_lib.elbo,
        partial(vae_lib.iwae_bound, k=2),
        partial(vae_lib.dreg_bound, k=2),
        partial(vae_lib.free_bits_elbo, floor=0.1),
        vae_lib.WarmUp(3),
    ],
)
def test_no_objective_copies_a_number_from_the_host(objective, likelihood):
    """A CUDA graph refuses such a copy; `lift_fresh` is its trace here."""
    model = make_model("vae", "mlp", 2, hidden=[8], likelihood=likelihood)
    x = vae_lib.load_fashion_mnist("test").images[:3].float().div(255).round()
    with Counting() as counting:
        objective(model, x).value.sum().backward()
    assert not {"lift_fresh", "_local_scalar_dense"} & set(counting.operations)
