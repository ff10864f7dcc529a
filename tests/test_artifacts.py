"""Stored models: the round trip, what is refused, and that nothing is half-written."""

import json

import pytest
import torch

from vae_lib import (
    GarmentClassifier,
    artifacts,
    load_result,
    load_run,
    make_model,
    manifest,
    save_run,
)
from vae_lib.likelihoods import DiscretizedLogistic, Gaussian

SPEC = dict(kind="vae", net="conv", latent_dim=3, image_shape=(1, 8, 8), likelihood="gaussian")


def model_of(spec=SPEC, sigma=0.1):
    model = make_model(**spec)
    if spec["likelihood"] == "gaussian":
        model.likelihood = Gaussian(sigma, learned=True)
    return model


def files(folder):
    return sorted((p.name, p.read_bytes()) for p in folder.rglob("*")) if folder.exists() else []


@pytest.mark.parametrize("half", [True, False], ids=["half", "full"])
def test_round_trip(tmp_path, half):
    """The same outputs: exactly in full precision, to float16's 11 bits in half."""
    model = model_of()
    entry = save_run("a", model, SPEC, tmp_path, half, metrics={"elbo": -1.5}, seconds=3)
    again, entry_again = load_run("a", tmp_path)
    assert entry_again == json.loads(json.dumps(entry)) == manifest(tmp_path)["a"]
    assert entry["metrics"] == {"elbo": -1.5} and entry["seconds"] == 3
    assert not again.training
    for name, value in model.state_dict().items():
        stored = again.state_dict()[name]
        assert stored.dtype == torch.float32
        exact = not half or value.dim() == 0
        torch.testing.assert_close(stored, value, rtol=0 if exact else 2**-10, atol=1e-7)
    z = torch.randn(2, 3)
    torch.testing.assert_close(again.decode(z), model.decode(z), atol=1e-2 if half else 0, rtol=0)


def test_a_run_is_float32_whatever_the_default():
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        model, _ = load_run("vae_j2")
    finally:
        torch.set_default_dtype(default)
    assert {p.dtype for p in model.parameters()} == {torch.float32}


@pytest.mark.parametrize("likelihood", ["bernoulli", "discretized_logistic"])
def test_learned_scalars_are_not_rounded(tmp_path, likelihood):
    """A scale rounded to float16 would cost nats in every pixel: 0-dimensional weights stay."""
    spec = SPEC | dict(likelihood=likelihood)
    model = model_of(spec)
    if likelihood == "discretized_logistic":
        model.likelihood = DiscretizedLogistic(0.1234567)
    save_run("a", model, spec, tmp_path)
    again = load_run("a", tmp_path)[0]
    for ours, theirs in zip(
        again.likelihood.parameters(), model.likelihood.parameters(), strict=True
    ):
        assert torch.equal(ours, theirs)


def test_two_runs_and_a_replaced_one(tmp_path):
    save_run("a", model_of(), SPEC, tmp_path)
    kept = (tmp_path / "a.safetensors").read_bytes()
    save_run("b", model_of(), SPEC, tmp_path)
    assert set(manifest(tmp_path)) == {"a", "b"}
    assert (tmp_path / "a.safetensors").read_bytes() == kept
    save_run("b", model_of(), SPEC, tmp_path, seeds=[1])
    assert load_run("b", tmp_path)[1]["seeds"] == [1]
    names = {p.name for p in tmp_path.iterdir()}
    assert names == {"a.safetensors", "b.safetensors", "manifest.json"}


def test_altered_or_missing_weights(tmp_path):
    save_run("a", model_of(), SPEC, tmp_path)
    path = tmp_path / "a.safetensors"
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    for change in (lambda: path.write_bytes(raw), lambda: path.write_bytes(raw[:50]), path.unlink):
        change()
        with pytest.raises(OSError, match=r"a\.safetensors is missing or altered"):
            load_run("a", tmp_path)


def test_unknown_name(tmp_path):
    save_run("a", model_of(), SPEC, tmp_path)
    with pytest.raises(KeyError, match=r"no run named 'b'; stored are .*'a'"):
        load_run("b", tmp_path)
    assert manifest(tmp_path / "nowhere") == {}


REFUSED = {
    "another size": dict(spec=SPEC | dict(latent_dim=4)),
    "another kind": dict(spec=SPEC | dict(kind="autoencoder")),
    "no such net": dict(spec=SPEC | dict(net="resnet")),
    "a record that is no JSON": dict(spec=SPEC, config=object()),
    "a spec that is no JSON": dict(spec=SPEC | dict(likelihood=Gaussian())),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("existing", [True, False], ids=["over a run", "into nothing"])
def test_a_refused_run_writes_nothing(tmp_path, case, existing):
    root = tmp_path / "runs"
    if existing:
        save_run("a", model_of(), SPEC, root)
    before = files(root)
    with pytest.raises((RuntimeError, ValueError, TypeError)):
        save_run("a", model_of(), root=root, **REFUSED[case])
    assert files(root) == before
    assert root.exists() == existing


def test_no_pickle(tmp_path, monkeypatch):
    """Neither saving nor loading touches pickle or torch.load."""
    import pickle

    def forbidden(*args, **kwargs):
        raise AssertionError("pickle was used")

    for place, name in (
        (torch, "load"), (torch, "save"), (pickle, "load"), (pickle, "loads"),
        (pickle, "dump"), (pickle, "dumps"), (pickle, "Unpickler"), (pickle, "Pickler"),
    ):  # fmt: skip
        monkeypatch.setattr(place, name, forbidden)
    save_run("a", model_of(), SPEC, tmp_path)
    load_run("a", tmp_path)


def test_what_ships_loads():
    """Every run in the package's manifest loads, and is the model that its entry names."""
    for name, entry in manifest().items():
        kind = entry["model"].get("kind", "garmentclassifier")
        build = make_model if "kind" in entry["model"] else GarmentClassifier
        assert type(load_run(name, build=build)[0]).__name__.lower() == kind


def test_another_kind_of_model(tmp_path):
    """Whatever builds it: the classifier's buffers come back too."""
    model = GarmentClassifier((2, 3, 4), n_features=5)
    model.test_mean += 0.25
    spec = dict(channels=[2, 3, 4], n_features=5)
    save_run("c", model, spec, tmp_path, half=False, build=GarmentClassifier)
    again, entry = load_run("c", tmp_path, build=GarmentClassifier)
    assert entry["model"] == spec and torch.equal(again.test_mean, model.test_mean)
    torch.testing.assert_close(
        again(torch.ones(2, 1, 28, 28)), model.eval()(torch.ones(2, 1, 28, 28))
    )


def test_results_are_read_by_name():
    assert load_result("comparison")["settings"]["seeds"] >= 3
    with pytest.raises(KeyError, match="nothing"):
        load_result("nothing")


def test_versions():
    assert artifacts.versions()["torch"] == torch.__version__
