"""The nets and the script of the reproduced table: exact evidence, stacked models, resume."""

import json
import math
import sys
from pathlib import Path

import pytest
import torch
from test_step import Counting
from torch import distributions as td

import vae_lib as vl
from vae_lib.likelihoods import Bernoulli, ContinuousBernoulli, Gaussian

sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))

import iwae.nets
import iwae.report
import iwae.training
import iwae_table
from iwae.nets import OneLayer, Stack, TwoLayers, pixel_bias
from iwae.training import DATA, Block, Plan, judge, log_evidence, train


def images(n=12, seed=0):
    return torch.randint(
        0, 256, (n, 1, 28, 28), generator=torch.Generator().manual_seed(seed)
    ).byte()


def make(net, **sizes):
    return net(Bernoulli(), torch.zeros(784), hidden=8, **sizes)


def two_layer_evidence(model, x):
    """log p(x) of a model with one unit in each layer, by the trapezoid on a plane."""
    line = torch.linspace(-9, 9, 301)
    z2 = line[:, None]
    log_pz = td.Normal(0.0, 1.0).log_prob(line)[:, None]
    mu, logvar = model.p1(z2)
    log_pz = log_pz + td.Normal(mu, (0.5 * logvar).exp()).log_prob(
        line[None]
    )  # rows z2, columns z1
    params = model.decoder(line[:, None])
    log_px = torch.stack([model.likelihood.log_prob(one.expand_as(params), params) for one in x])
    cell = 2 * math.log(18 / 300)
    return torch.logsumexp((log_pz + log_px[:, None]).flatten(1), 1) + cell


@torch.no_grad()
def test_two_layers_estimate_the_exact_evidence():
    vl.set_seed(1)
    model = make(TwoLayers, latent_dims=(1, 1))
    for q in (model.q1, model.q2):  # proposals that are wide, so that the weights are even
        q.mu[0].weight *= 0.3
        q.logvar[0].bias += 0.7
    x = vl.binarize(images(3), torch.Generator().manual_seed(0))
    exact = two_layer_evidence(model, x)
    assert torch.allclose(log_evidence(model, x, 20_000).float(), exact, atol=0.05)


@torch.no_grad()
def test_log_evidence_is_the_library_s_log_likelihood():
    vl.set_seed(2)
    model, x = make(OneLayer, latent_dim=1), vl.binarize(images(4))
    ours = log_evidence(model, x, 20_000, chunk=3000)
    assert torch.allclose(ours, vl.log_likelihood(model, x, 20_000), atol=0.05)


def known_noise(mu, logvar):
    """The same noise at every call, other for every row: a stack can be held to its models."""
    eps = torch.linspace(-1, 1, len(mu))[:, None]
    return mu + torch.exp(0.5 * logvar) * eps


@pytest.mark.parametrize("net", [OneLayer, TwoLayers])
def test_a_stack_computes_what_its_models_do(monkeypatch, net):
    """Each with its own weights and objective, values and gradients."""
    for module in (vl, vl.objectives):
        monkeypatch.setattr(module, "reparameterize", known_noise)
    vl.set_seed(3)
    models, tight = [make(net) for _ in range(3)], [True, False, True]
    x = vl.binarize(images(5))
    stack = Stack(models, tight)
    bounds = stack(x.expand(3, *x.shape), 4)
    bounds.sum().backward()
    for m, model in enumerate(models):
        log_w = model(x, 4)
        alone = torch.logsumexp(log_w, 0) - math.log(4) if tight[m] else log_w.mean(0)
        assert torch.allclose(bounds[m], alone, atol=1e-3)
        alone.sum().backward()
        gradients = dict(zip(stack.names, stack.stacked, strict=True))
        for name, p in model.named_parameters():
            assert torch.allclose(gradients[name].grad[m], p.grad, rtol=1e-3, atol=1e-3), name


def test_a_stack_gives_every_model_its_own_noise_and_takes_it_apart_again():
    vl.set_seed(4)
    model = make(OneLayer)
    stack = Stack([model, model], [True, True])
    x = vl.binarize(images(2))
    first, second = stack(x.expand(2, *x.shape), 1)
    assert not torch.allclose(first, second)
    with torch.no_grad():
        stack.stacked[0][1] += 1
    one, two = stack.models()
    name = stack.names[0]
    assert torch.equal(one.state_dict()[name], model.state_dict()[name])
    assert torch.allclose(two.state_dict()[name], model.state_dict()[name] + 1)


def test_pixels_are_dequantized_without_leaving_the_unit_interval():
    levels = torch.arange(256) / 255
    vl.set_seed(0)
    drawn = torch.stack([iwae.training.dequantize(levels) for _ in range(200)])
    assert torch.equal((256 * drawn).floor(), torch.arange(256.0).expand(200, -1))
    assert torch.allclose((256 * drawn).mean(0), torch.arange(256) + 0.5, atol=0.1)


@pytest.mark.parametrize("likelihood", [Bernoulli, ContinuousBernoulli, Gaussian])
def test_the_decoder_starts_at_the_mean_image(likelihood):
    likelihood, x = likelihood(), images(200)
    params = pixel_bias(x, likelihood)
    mean = torch.sigmoid(params) if not isinstance(likelihood, Gaussian) else params
    assert torch.allclose(mean, x.float().mean(0).flatten() / 255, atol=1e-5)


TINY = Plan(epochs=2, batch_size=6, seeds=2, test_images=4, test_k=8)


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """The script on twelve images; returns how to run it and the list of what it trained."""
    data = DATA["stochastic"]._replace(load=lambda split, root: vl.data.Images(images(12), None))
    monkeypatch.setitem(DATA, "stochastic", data)
    monkeypatch.setitem(DATA, "fixed", data)
    monkeypatch.setattr(iwae_table, "RUNS", tmp_path)
    monkeypatch.setattr(iwae_table, "CHECKPOINTS", tmp_path / "runs")
    monkeypatch.setattr(iwae_table, "Plan", lambda: TINY)
    trained, real = [], iwae_table.train

    def watched(block, *rest):
        trained.append(block.name)
        return real(block, *rest)

    monkeypatch.setattr(iwae_table, "train", watched)

    def run(*options):
        command = ["iwae_table.py", "mnist_1", "--no-progress", *options]
        monkeypatch.setattr(sys, "argv", command)
        iwae_table.main()
        return json.loads((tmp_path / "iwae_mnist_1.json").read_text())

    return run, trained


def test_the_script_fills_the_table_block_by_block(tiny):
    run, trained = tiny
    some = run("--k", "1", "--seeds", "1")
    assert trained == ["stochastic_1_k1", "fixed_1_k1"]
    assert len(some["outstanding"]) == 6  # a smaller plan fills a cell but does not settle it
    assert some["blocks"]["stochastic_1_k1"]["scores"]["iwae"]["log_px"]["sd"] is None
    whole = run()
    assert whole["outstanding"] == [] and len(trained) == 8
    assert run() == whole and len(trained) == 8
    for block in whole["blocks"].values():
        for score in block["scores"].values():
            values = score["log_px"]["values"]
            assert len(set(values)) == len(score["active"]) == 2
            assert -784 < score["log_px"]["mean"] < 0
            assert score["log_px"]["mean"] == pytest.approx(sum(values) / 2)
    assert list(whole["blocks"]["stochastic_1_k50"]["scores"]) == ["vae", "iwae"]
    assert list(whole["blocks"]["fixed_1_k50"]["scores"]) == ["iwae"]


def test_a_block_that_is_cut_off_goes_on(tmp_path, monkeypatch):
    """Two epochs in one go, and one epoch, a fault, one epoch: the same weights."""
    data = DATA["stochastic"]._replace(load=lambda split, root: vl.data.Images(images(12), None))
    monkeypatch.setitem(DATA, "stochastic", data)
    block = Block("stochastic", 1, ("vae", "iwae"), 5)
    plan = TINY._replace(start_epochs=1, epochs=3)
    through, *_ = train(block, plan, None, tmp_path / "a", progress=False)
    real, saves = vl.checkpoint.TrainingState.save, []

    def cut(self, rows):
        real(self, rows)
        saves.append(len(rows))
        if len(saves) == 3:  # one of the start, two of the block
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(vl.checkpoint.TrainingState, "save", cut)
        with pytest.raises(KeyboardInterrupt):
            train(block, plan, None, tmp_path / "b", progress=False)
    again, *_ = train(block, plan, None, tmp_path / "b", progress=False)
    for objective in block.objectives:
        for one, other in zip(through[objective], again[objective], strict=True):
            for p, q in zip(one.parameters(), other.parameters(), strict=True):
                assert torch.equal(p, q)


def test_units_that_vary_are_counted(monkeypatch):
    """Two of the eight means follow the image; the threshold is 0.01 on the variance."""
    data = DATA["stochastic"]._replace(load=lambda split, root: vl.data.Images(images(12), None))
    monkeypatch.setitem(DATA, "stochastic", data)
    vl.set_seed(5)
    model = make(OneLayer, latent_dim=8)
    with torch.no_grad():
        model.encoder.mu[0].weight[2:] = 0
    score = judge([model], Block("stochastic", 1, ("iwae",), 1), TINY._replace(seeds=1), None)
    assert score["active"] == [[2]]


@pytest.mark.parametrize("net", [OneLayer, TwoLayers])
@pytest.mark.parametrize("kind", sorted(DATA))
def test_the_bound_of_a_stack_can_be_recorded(net, kind):
    """No number comes from the host, which a CUDA graph would refuse."""
    likelihood = DATA[kind].likelihood()
    stack = Stack([net(likelihood, torch.zeros(784), hidden=8)] * 2, [True, False])
    with Counting() as counting:
        value = iwae.training.stacked_bound(stack, images(3).float() / 255, kind, 2).value
        value.sum().backward()
    assert not {"lift_fresh", "_local_scalar_dense"} & set(counting.operations)


def test_the_table_shows_what_was_measured_and_what_was_not():
    """Two images and one measured block of two; the gain is taken image by image."""

    def score(*values):
        return {
            "log_px": {"mean": sum(values) / 2, "sd": 0.25, "values": [], "images": list(values)},
            "active": [[7], [8, 9]],
        }

    def block(k, **scores):
        plan = Plan()._asdict()
        more = {"seconds": 60.0, "start_seconds": 0.0, "cpu_seconds": 50.0, "device": "cuda"}
        return {"k": k, "scores": scores, "plan": plan} | more

    blocks = {
        "stochastic_1_k1": block(1, iwae=score(-90.0, -80.0)),
        "stochastic_1_k5": block(5, vae=score(-89.0, -80.0), iwae=score(-87.0, -79.0)),
        "stochastic_1_k50": block(50, vae=score(-88.0, -80.0), iwae=score(-87.0, -76.0)),
    }
    wanted = iwae_table.blocks_of("mnist_1", reduced=True)
    part = {"blocks": {"stochastic_1_k1": blocks["stochastic_1_k1"]}}
    lines = iwae.report.table("mnist_1", wanted, part).splitlines()
    assert lines[2].split("|")[4:8] == [
        " −86.76 ",
        " −85.00\u00a0±\u00a00.25 ",
        " 7, 8+9 ",
        " 3 / 300 / 10,000 ",
    ]
    assert all("`python experiments/iwae_table.py mnist_1`" in line for line in lines[3:])
    gains = iwae.report.gains({"blocks": blocks})
    assert "VAE 5 over VAE 1 0.50\u00a0±\u00a00.50" in gains
    assert "IWAE 50 over IWAE 5 1.50\u00a0±\u00a01.50" in gains
    assert "150 CPU-seconds" in gains


@pytest.mark.parametrize("table", ["mnist_1", "mnist_2", "fashion_1"])
def test_stored_reduced_tables_are_whole(table):
    result = vl.load_result(f"iwae_{table}_reduced")
    assert result["outstanding"] == []
    for block in iwae_table.blocks_of(table, reduced=True):
        stored = result["blocks"][block.name]
        assert sorted(stored["scores"]) == sorted(block.objectives)
        for score in stored["scores"].values():
            images = torch.tensor(score["log_px"]["images"])
            assert len(images) == stored["plan"]["test_images"]
            assert images.mean().item() == pytest.approx(score["log_px"]["mean"], abs=1e-3)
