"""fit: it learns, resumes exactly after SIGKILL, says what it will do, refuses what is wrong."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import vae_lib
from vae_lib import (
    TrainConfig,
    elbo,
    fit,
    iwae_bound,
    make_model,
    reconstruction_log_prob,
    set_seed,
)

SMALL = dict(device="cpu", progress=False)
N_BATCHES = 3  # of 16, 16 and 8 images


def small_images(n=40):
    return torch.randint(0, 256, (n, 1, 8, 8), generator=torch.Generator().manual_seed(1)).byte()


def small_model(kind="vae"):
    set_seed(7)
    return make_model(kind, "conv" if kind == "vae" else "mlp", 3, image_shape=(1, 8, 8))


def small_fit(checkpoint=None, kill_in_epoch=None, objective=elbo, data=None, **changes):
    """A short run; with kill_in_epoch the process kills itself in the middle of that epoch."""
    torch.set_num_threads(1)
    model, calls = small_model(), []

    def counting(model, x):
        calls.extend([len(x)] * torch.is_grad_enabled())  # validation does not count
        if kill_in_epoch is not None and len(calls) == kill_in_epoch * N_BATCHES + 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return objective(model, x)

    settings = dict(epochs=4, batch_size=16, binarize=True, checkpoint=checkpoint, **SMALL)
    data = small_images() if data is None else data
    config = TrainConfig(**settings | changes)
    return model, fit(model, counting, data, config, valid=small_images(5))


def without_seconds(history):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in history.rows]


def check_step(fit):
    """The gradient of one step is that of minus the mean over the batch of the value."""
    model, data = small_model("autoencoder"), small_images(6)
    start = {k: v.clone() for k, v in model.state_dict().items()}
    fit(model, reconstruction_log_prob, data, TrainConfig(epochs=1, schedule="constant", **SMALL))
    stepped = [p.grad.clone() for p in model.parameters()]
    model.load_state_dict(start)
    value = reconstruction_log_prob(model, data.float() / 255).value
    wanted = torch.autograd.grad(-value.mean(), list(model.parameters()))
    for ours, exact in zip(stepped, wanted, strict=True):
        assert torch.allclose(ours, exact, rtol=1e-4, atol=1e-5)


def check_history(fit):
    """History holds the mean over images, also when the last batch is smaller."""

    def objective(model, x):
        value = x.flatten(1).sum(1) + 0 * model.decode(model.encode(x)).sum()
        return vae_lib.Bound(value, 2 * value, -value)

    data = torch.arange(5.0).view(5, 1, 1, 1).expand(5, 1, 8, 8) / 4
    model = small_model("autoencoder")
    rows = fit(model, objective, data, TrainConfig(epochs=1, batch_size=2, **SMALL)).rows
    assert abs(rows[0]["value"] - 32) < 1e-3
    assert abs(rows[0]["log_px_z"] - 64) < 1e-3 and abs(rows[0]["kl"] + 32) < 1e-3


def test_one_step_is_the_mean_over_the_batch():
    check_step(fit)


def test_history_is_the_mean_over_images():
    check_history(fit)


@pytest.mark.parametrize("objective", [elbo, lambda m, x: iwae_bound(m, x, 3)])
def test_it_learns(objective):
    """256 images, 30 epochs: the bound rises by more than 250 nats, to above -280 an image."""
    images = vae_lib.load_fashion_mnist("train").images[:256]
    set_seed(0)
    config = TrainConfig(epochs=30, batch_size=32, lr=3e-3, **SMALL)
    values = fit(make_model("vae", "mlp", 5), objective, images, config)["value"]
    assert values[-1] - values[0] > 250
    assert values[-1] > -280


RESUMED = {
    "one_cycle": dict(schedule="one_cycle"),
    "constant": dict(schedule="constant", grad_clip=1.0),
    "bfloat16": dict(schedule="one_cycle", precision="bfloat16"),
}


def runs_that_kill_themselves(root):
    """In a process of its own: one run after the other, each in a fork that SIGKILL ends."""
    for name, changes in RESUMED.items():
        pid = os.fork()
        if pid == 0:
            small_fit(str(root / name / "checkpoint.pt"), kill_in_epoch=2, **changes)
            os._exit(1)
        status = os.waitpid(pid, 0)[1]
        assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, name


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """Checkpoints of runs that killed themselves in epoch 2."""
    root = tmp_path_factory.mktemp("killed")
    script = (
        f"import sys, pathlib; sys.path.insert(0, {str(Path(__file__).parent)!r}); "
        f"import test_train; test_train.runs_that_kill_themselves(pathlib.Path({str(root)!r}))"
    )
    child = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert child.returncode == 0, child.stderr
    return {name: root / name / "checkpoint.pt" for name in RESUMED}


@pytest.mark.parametrize("name", RESUMED)
def test_resume_after_sigkill_is_exact(killed, name):
    """Killed in the middle of epoch 2 and resumed: weights and history equal bit for bit."""
    path, changes = killed[name], RESUMED[name]
    assert len(torch.load(path, weights_only=True)["rows"]) == 2
    path.with_name("checkpoint.pt.partial").write_bytes(b"left by a process killed while writing")
    resumed, resumed_history = small_fit(str(path), **changes)
    whole, history = small_fit(**changes)
    assert len(history.rows) == 4
    assert without_seconds(resumed_history) == without_seconds(history)
    for key, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key
    assert [f.name for f in path.parent.iterdir()] == ["checkpoint.pt"]


def test_a_finished_run_is_not_repeated(tmp_path, capsys):
    path = str(tmp_path / "c.pt")
    first, history = small_fit(path, epochs=2)
    again, history_again = small_fit(path, epochs=2)
    assert history_again.rows == history.rows
    assert "0 epochs" in capsys.readouterr().out
    for a, b in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    "name, value",
    [("lr", 2e-3), ("batch_size", 20), ("seed", 1), ("schedule", "constant"), ("epochs", 5),
     ("binarize", False), ("precision", "bfloat16"), ("grad_clip", 1.0)],
)  # fmt: skip
def test_changed_settings_do_not_resume(tmp_path, name, value):
    path = str(tmp_path / "c.pt")
    small_fit(path, epochs=1)
    with pytest.raises(ValueError, match=f"{name} .* there, {value!r} here"):
        small_fit(path, **dict(epochs=1) | {name: value})


def test_other_data_do_not_resume(tmp_path):
    path = str(tmp_path / "c.pt")
    small_fit(path, epochs=1)
    with pytest.raises(ValueError, match="images"):
        small_fit(path, epochs=1, data=small_images(39))


def test_it_says_first_what_it_will_do(capsys):
    """Before the first step: epochs, batches, their size, images and device."""
    said = []

    def objective(model, x):
        said.append(capsys.readouterr().out)
        return elbo(model, x)

    small_fit(objective=objective)
    assert said[0].startswith("4 epochs of 3 batches of 16 (40 images) on cpu")
    assert "nats" in capsys.readouterr().out


def test_the_bar_is_on_stderr(capsys):
    small_fit(progress=True, epochs=1)
    captured = capsys.readouterr()
    assert "3/3" in captured.err and "3/3" not in captured.out


def damaged(images, value):
    images[1, 0, 2, 3] = value
    return images


REFUSED = {
    "NaN": (lambda: damaged(torch.rand(4, 1, 8, 8), float("nan")), "NaN in 1 images"),
    "infinite": (lambda: damaged(torch.rand(4, 1, 8, 8), float("inf")), "must lie in"),
    "above 1": (lambda: 255 * torch.rand(4, 1, 8, 8), r"must lie in \[0, 1\]"),
    "below 0": (lambda: 2 * torch.rand(4, 1, 8, 8) - 1, r"must lie in \[0, 1\]"),
    "labels": (lambda: torch.arange(4), "labels are not images"),
    "a pair": (lambda: (torch.rand(4, 1, 8, 8), torch.arange(4)), "tuple"),
    "flat": (lambda: torch.rand(4, 64), r"\(4, 64\)"),
    "other size": (lambda: torch.rand(4, 1, 28, 28), r"\(4, 1, 28, 28\).*1, 8, 8"),
    "other colour": (lambda: torch.rand(4, 3, 8, 8), r"\(4, 3, 8, 8\).*1, 8, 8"),
    "empty": (lambda: torch.rand(0, 1, 8, 8), "no images"),
    "whole numbers": (lambda: torch.ones(4, 1, 8, 8).long(), "int64"),
    "uint8 bits": (lambda: torch.randint(0, 2, (4, 1, 8, 8)).byte(), "scale it"),
}


@pytest.mark.parametrize("argument", ["data", "valid"])
@pytest.mark.parametrize("case", REFUSED)
def test_data_that_are_refused(argument, case):
    make, message = REFUSED[case]
    sets = dict(data=small_images(), valid=small_images()) | {argument: make()}
    with pytest.raises(ValueError, match=message) as error:
        fit(small_model(), elbo, config=TrainConfig(epochs=1, **SMALL), **sets)
    assert str(error.value).startswith(argument)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_floating_point_images_of_any_width(dtype):
    """Also float64, which numpy's division gives."""
    data = (small_images(8).double() / 255).to(dtype)
    config = TrainConfig(epochs=1, **SMALL)
    model = small_model()
    fit(model, elbo, data, config, valid=data)
    assert {p.dtype for p in model.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    "name, value",
    [("epochs", 0), ("epochs", -1), ("batch_size", 0), ("lr", 0.0), ("lr", -1e-3),
     ("lr", float("nan")), ("schedule", "cosine"), ("precision", "int8")],
)  # fmt: skip
def test_settings_that_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} must be .*got {value!r}"):
        TrainConfig(**{name: value})


def test_k_below_one_is_refused():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        small_fit(objective=lambda m, x: iwae_bound(m, x, 0))


@pytest.mark.parametrize("factor", [float("inf"), float("nan")])
def test_divergence_is_an_error(tmp_path, factor):
    """It names the epoch, and the checkpoint stays that of the last sound epoch."""
    calls = []

    def objective(model, x):
        calls.append(len(x))
        bound = elbo(model, x)
        return bound._replace(value=bound.value * (factor if len(calls) > N_BATCHES + 1 else 1))

    with pytest.raises(FloatingPointError, match=r"epoch 1.*lr=0\.001"):
        small_fit(str(tmp_path / "c.pt"), objective=lambda m, x: objective(m, x))
    assert len(torch.load(tmp_path / "c.pt", weights_only=True)["rows"]) == 1


def test_validation_learns_nothing():
    """The validation set is scored in eval mode without gradients: BatchNorm does not see it."""
    seen = []

    def objective(model, x):
        seen.append((torch.is_grad_enabled(), model.training))
        return elbo(model, x)

    model, _ = small_fit(objective=objective, epochs=1)
    assert set(seen) == {(True, True), (False, False)}
    assert model.training, "with a validation set fit leaves another mode than without"


def reads(monkeypatch, n_images):
    """How often an epoch of n_images / 4 batches reads a tensor's value on the host."""
    count = []
    for name in ("item", "tolist", "cpu", "numpy", "__float__", "__int__", "__bool__"):
        original = getattr(torch.Tensor, name)

        def counting(self, *args, original=original, **kwargs):
            count.append(1)
            return original(self, *args, **kwargs)

        monkeypatch.setattr(torch.Tensor, name, counting)
    data = small_images(n_images)
    fit(small_model(), elbo, data, TrainConfig(epochs=1, batch_size=4, grad_clip=1.0, **SMALL))
    monkeypatch.undo()
    return len(count)


def test_the_loop_never_waits_for_the_device(monkeypatch):
    """As many reads in an epoch of 2 batches as in one of 12."""
    few = reads(monkeypatch, 8)
    assert 0 < few == reads(monkeypatch, 48)


def test_epochs_differ_and_seeds_decide():
    """Each epoch has its own order; a seed fixes the run; another seed gives another."""
    orders = []

    def objective(model, x):
        orders.append(x.sum((1, 2, 3)))
        return elbo(model, x)

    data = torch.rand(16, 1, 8, 8)
    config = TrainConfig(epochs=2, batch_size=16, **SMALL)
    fit(small_model(), objective, data, config)
    assert not torch.equal(*orders)
    torch.testing.assert_close(*(o.sort().values for o in orders))
    one, again, other = (small_fit(seed=s, epochs=1)[1]["value"] for s in (1, 1, 2))
    assert one == again != other


def test_binarised_batches():
    """binarize=True: zeros and ones, a fresh draw at every epoch; the validation draw is fixed."""
    seen = {True: [], False: []}

    def objective(model, x):
        assert set(x.unique().tolist()) <= {0.0, 1.0}
        seen[torch.is_grad_enabled()].append(x)
        return elbo(model, x)

    small_fit(objective=objective, epochs=2, batch_size=40)
    train, valid = seen[True], seen[False]
    assert abs(train[0].sum() - train[1].sum()) > 0
    assert torch.equal(*valid)


def test_frozen_parameters_stay():
    model = small_model()
    model.decoder.requires_grad_(False)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    fit(model, elbo, small_images(), TrainConfig(epochs=1, **SMALL))
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]) == name.startswith(("decoder", "likelihood")), name


def test_the_schedule_reaches_its_peak_and_ends_low():
    """one_cycle peaks at lr; the default constant schedule never moves."""
    rates = {}
    for schedule in ("one_cycle", "constant"):
        seen = rates.setdefault(schedule, [])
        step = torch.optim.Adam.step

        def spy(self, *args, seen=seen, step=step, **kwargs):
            seen.append(self.param_groups[0]["lr"])
            return step(self, *args, **kwargs)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch.optim.Adam, "step", spy)
            small_fit(schedule=schedule, epochs=10)
    assert len(rates["one_cycle"]) == 30
    assert max(rates["one_cycle"]) == pytest.approx(1e-3) and rates["one_cycle"][-1] < 1e-5
    assert set(rates["constant"]) == {1e-3}


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_the_nets_run_in_the_named_precision(precision):
    """The nets compute in it; weights, bound and history stay float32."""
    seen = set()

    def objective(model, x):
        seen.add((torch.is_grad_enabled(), model.encode(x)[0].dtype))
        return elbo(model, x)

    model, history = small_fit(objective=objective, epochs=2, precision=precision)
    # validation has no autocast: it is reported in float32 for every precision
    assert seen == {(True, getattr(torch, precision)), (False, torch.float32)}
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert abs(history["value"][0] - small_fit(epochs=2)[1]["value"][0]) < 0.1


def test_the_gradient_is_clipped():
    """After a step the norm of all gradients together is grad_clip."""
    model, _ = small_fit(epochs=1, grad_clip=0.25)
    norm = torch.stack([p.grad.norm() for p in model.parameters() if p.grad is not None]).norm()
    assert abs(norm.item() - 0.25) < 1e-4


def test_any_model_can_be_fitted():
    """fit asks of a model only parameters, and of an objective only a Bound."""
    model = nn.Linear(1, 1)

    def objective(model, x):
        value = -(model.weight - 2).square().sum() * torch.ones(len(x))
        return vae_lib.Bound(value, value, 0 * value)

    config = TrainConfig(epochs=40, batch_size=8, lr=0.3, **SMALL)
    fit(model, objective, small_images(), config)
    assert abs(model.weight.item() - 2) < 0.1
