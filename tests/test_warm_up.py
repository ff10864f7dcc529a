"""Free bits and warm-up: values by hand, gradients, and a warm-up that is resumed."""

import math
from functools import partial

import pytest
import torch
from test_planted_faults import plant
from torch import nn

import vae_lib as vl
from vae_lib import objectives


class Given(nn.Module):
    """A model whose codes are parameters, and whose images do not depend on them."""

    def __init__(self, mu, logvar):
        super().__init__()
        self.mu, self.logvar = nn.Parameter(mu), nn.Parameter(logvar)
        self.likelihood = vl.likelihoods.Bernoulli()

    def encode(self, x):
        return self.mu, self.logvar

    def decode(self, z):
        return torch.zeros(len(z), 4)


MU = torch.tensor([[0.1, 1.0, 0.0], [0.3, -2.0, 0.0]])
X = torch.ones(2, 4)
# with sigma = 1 the KL of a latent is mu^2 / 2; the means over both images, latent by latent
MEANS = [(0.005 + 0.045) / 2, (0.5 + 2.0) / 2, 0.0]


def given():
    return Given(MU.clone(), torch.zeros(2, 3))


# -- free bits ----------------------------------------------------------------------------------


def check_free_bits(free_bits_elbo):
    """Floors add what is missing to the mean over the batch, latent by latent."""
    log_px_z = -4 * math.log(2)
    for floor in (0.0, 0.1, 1.0, 3.0):
        bound = free_bits_elbo(given(), X, floor)
        price = sum(max(floor, mean) for mean in MEANS)
        torch.testing.assert_close(bound.value.mean().item(), log_px_z - price)
        torch.testing.assert_close(bound.kl, MU.square().sum(1) / 2)
        torch.testing.assert_close(bound.log_px_z, torch.full((2,), log_px_z))
        assert bound.value.shape == (2,)


def test_free_bits():
    check_free_bits(vl.free_bits_elbo)


def check_gradient(free_bits_elbo):
    """None under the floor, the KL's own above it."""
    model = given()
    free_bits_elbo(model, X, 0.1).value.mean().backward()
    assert (model.mu.grad[:, [0, 2]] == 0).all() and (model.logvar.grad[:, [0, 2]] == 0).all()
    torch.testing.assert_close(model.mu.grad[:, 1], -MU[:, 1] / 2)  # of the mean over 2 images


def test_free_bits_have_no_gradient_under_the_floor():
    check_gradient(vl.free_bits_elbo)


def test_no_floor_is_the_elbo():
    torch.manual_seed(0)
    model = vl.make_model("vae", net="mlp", latent_dim=5, hidden=(16,))
    x = torch.rand(6, 1, 28, 28).round()
    bounds = []
    for objective in (vl.elbo, partial(vl.free_bits_elbo, floor=0)):
        torch.manual_seed(1)
        bounds.append(objective(model, x))
    for one, other in zip(*bounds, strict=True):
        torch.testing.assert_close(one, other)


def test_free_bits_lie_below_the_elbo_by_the_same_for_all():
    torch.manual_seed(0)
    model = vl.make_model("vae", net="mlp", latent_dim=5, hidden=(16,))
    bound = vl.free_bits_elbo(model, torch.rand(6, 1, 28, 28).round(), 0.5)
    added = bound.log_px_z - bound.kl - bound.value
    assert (added > 0).all() and added.max() - added.min() < 1e-3


def test_free_bits_keep_a_collapsing_latent():
    """With a decoder that gains nothing, training empties the code unless the nats are free."""
    x = torch.rand(64, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    config = vl.TrainConfig(epochs=20, batch_size=32, lr=1e-2, progress=False, device="cpu")
    rates = {}
    for name, objective in {
        "plain": partial(vl.beta_elbo, beta=100.0),
        "free": partial(vl.free_bits_elbo, floor=0.4),
    }.items():
        vl.set_seed(0)
        model = vl.make_model("vae", net="mlp", latent_dim=2, hidden=(16,))
        vl.fit(model, objective, x, config)
        rates[name] = vl.kl_per_dimension(model, x)
    assert rates["plain"].max() < 0.05
    assert rates["free"].min() > 0.2


def test_free_bits_refuse_a_negative_floor():
    with pytest.raises(ValueError, match="floor is in nats and must not be negative"):
        vl.free_bits_elbo(given(), X, -0.1)


# -- warm-up ------------------------------------------------------------------------------------


def check_warm_up(WarmUp):
    """beta is 0, 1/3, 2/3, 1, 1, ... while training; evaluation neither sees it nor counts."""
    model, warm = given(), WarmUp(3)
    for beta in (0, 1 / 3, 2 / 3, 1, 1):
        bound = warm(model.train(), X)
        torch.testing.assert_close(bound.value, bound.log_px_z - beta * bound.kl)
        evaluated = warm(model.eval(), X)
        torch.testing.assert_close(evaluated.value, evaluated.log_px_z - evaluated.kl)
    torch.testing.assert_close(bound.kl, MU.square().sum(1) / 2)
    assert warm.step == 5


def test_warm_up():
    check_warm_up(vl.WarmUp)


def small_run(objective, epochs, checkpoint=None, valid=None):
    """A run over 100 images in batches of 40, three steps to an epoch."""
    x = torch.rand(100, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    vl.set_seed(0)
    model = vl.make_model("vae", net="mlp", latent_dim=3, hidden=(16,))
    config = vl.TrainConfig(
        epochs=epochs, batch_size=40, binarize=True, schedule="constant", device="cpu",
        checkpoint=checkpoint, progress=False,
    )  # fmt: skip
    history = vl.fit(model, objective, x, config, valid=valid)
    return model.state_dict(), history


class Interrupted(Exception):
    pass


def interrupt_after(steps, warm):
    """The same WarmUp, and the power goes out after so many steps."""
    forward = warm.forward

    def cut(model, x):
        if warm.step >= steps:
            raise Interrupted
        return forward(model, x)

    warm.forward = cut
    return warm


def test_a_resumed_warm_up_repeats_an_uninterrupted_one(tmp_path):
    path = str(tmp_path / "run.pt")
    whole, history = small_run(vl.WarmUp(9), 4)
    with pytest.raises(Interrupted):
        small_run(interrupt_after(7, vl.WarmUp(9)), 4, path)  # within the third epoch
    resumed = vl.WarmUp(9)
    weights, again = small_run(resumed, 4, path)
    assert resumed.step == 12
    for name, tensor in whole.items():
        assert torch.equal(tensor, weights[name]), name
    for column in ("value", "log_px_z", "kl"):
        assert history[column] == again[column]
    # and the ramp matters: with the full KL from the start other weights come out
    plain, _ = small_run(vl.elbo, 4)
    assert not torch.equal(whole["decoder.net.0.weight"], plain["decoder.net.0.weight"])


def test_a_checkpoint_of_another_ramp_is_refused(tmp_path):
    path = str(tmp_path / "run.pt")
    small_run(vl.WarmUp(9), 1, path)
    with pytest.raises(ValueError, match="objective"):
        small_run(vl.WarmUp(5), 1, path)


def test_validation_gets_the_plain_elbo():
    x = torch.rand(20, 1, 28, 28, generator=torch.Generator().manual_seed(1)).round()
    warm = vl.WarmUp(1000)
    _, history = small_run(warm, 1, valid=x)
    row = history.rows[-1]
    assert abs(row["valid_value"] - (row["valid_log_px_z"] - row["valid_kl"])) < 1e-4
    assert row["value"] > row["log_px_z"] - 0.1 * row["kl"]  # while training beta is near 0
    assert warm.step == 3


@pytest.mark.parametrize("steps", [0, -3, float("nan")])
def test_warm_up_refuses(steps):
    with pytest.raises(ValueError, match="steps must be positive"):
        vl.WarmUp(steps)


# -- planted faults -----------------------------------------------------------------------------


@pytest.mark.parametrize("check, name, old, new", [
    (check_free_bits, "free_bits_elbo", "kl.sum(1) - added", "kl.sum(1) + added"),
    (check_free_bits, "free_bits_elbo", "kl.mean(0)", "kl.mean()"),
    (check_free_bits, "free_bits_elbo", "floor - kl.mean(0)", "floor - kl"),
    (check_gradient, "free_bits_elbo", "clamp(min=0).sum()", "sum().clamp(min=0)"),
    (check_warm_up, "class WarmUp", ".clamp(max=1)", ""),
    (check_warm_up, "class WarmUp", "if not model.training:", "if model.training:"),
    (check_warm_up, "class WarmUp", "self.step += 1", ""),
])  # fmt: skip
def test_a_planted_fault_is_noticed(check, name, old, new):
    faulty = plant(objectives, old, new, after=name)
    with pytest.raises(AssertionError):
        check(faulty.WarmUp if check is check_warm_up else faulty.free_bits_elbo)
