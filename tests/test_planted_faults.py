"""The tests bite: each classic fault, planted in a copy of the library, is caught by a named check.

`plant` replaces one piece of a module's source and runs the copy; the checks are those that the
other tests run on the true library.
"""

import types
from functools import partial
from pathlib import Path

import pytest
import torch
from test_data import check_binarize
from test_distributions import (
    check_bernoulli,
    check_continuous_bernoulli,
    check_discretized_logistic,
    check_gaussian,
    check_kl,
    check_sampler,
)
from test_evaluate import (
    check_against_log_weights,
    check_kl_per_dimension,
    check_large_logits,
    check_log_likelihood,
)
from test_exact import (
    check_encode,
    check_evidence,
    check_exact_elbo,
    check_fit,
    check_fit_with_sigma,
    check_grid,
    check_joint_on_grid,
    check_posterior,
    check_posterior_on_grid,
)
from test_likelihoods import check_kl_tiling, check_tiling
from test_objectives import (
    check_effective_beta,
    check_elbo,
    check_implied_sigma,
    check_iwae,
    check_iwae_rises,
)
from test_train import check_history, check_step

from vae_lib import data, distributions, evaluate, exact, objectives, step, train


def plant(module, old, new, after=""):
    """A copy of the module in which the first `old` after the text `after` is `new`."""
    source = Path(module.__file__).read_text()
    head, mark, tail = source.partition(after) if after else ("", "", source)
    assert old in tail, f"{module.__name__} no longer holds {old!r}: plant the fault anew"
    source = head + mark + tail.replace(old, new, 1)
    copy = types.ModuleType(module.__name__ + "_faulty")
    copy.__package__, copy.__file__ = module.__package__, module.__file__
    exec(compile(source, f"{copy.__name__}.py", "exec"), copy.__dict__)
    return copy


def check_gradient(step_class):
    """check_step for a TrainingStep that `fit` is made to use."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "TrainingStep", step_class)
        check_step(train.fit)


def check_sums(step_class):
    """check_history, likewise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "TrainingStep", step_class)
        check_history(train.fit)


def wrong_way(mu, logvar):
    """KL(N(0, I) || q) in place of KL(q || N(0, I))."""
    return 0.5 * (logvar + (1 + mu.square()) / logvar.exp() - 1).flatten(1).sum(1)


SUM = ".flatten(1).sum(1)"
MEAN = ".flatten(1).mean(1)"
SAMPLER = (distributions, "reparameterize", "def reparameterize")
KL = (distributions, "gaussian_kl", "def gaussian_kl")
GAUSSIAN = (distributions, "gaussian_log_prob", "def gaussian_log_prob")
BERNOULLI = (distributions, "bernoulli_log_prob", "def bernoulli_log_prob")
CONTINUOUS = (distributions, "continuous_bernoulli_log_prob", "def continuous_bernoulli")
LOGISTIC = (distributions, "discretized_logistic_log_prob", "def discretized_logistic")
ELBO = (objectives, "elbo", "def elbo")
IWAE = (objectives, "iwae_bound", "def log_weights")
FIT = (train, "fit", "def fit")
STEP = (step, "TrainingStep", "class TrainingStep")
BINARIZE = (data, "binarize", "def binarize")
LOG_LIKELIHOOD = (evaluate, "log_likelihood", "def log_likelihood")
KL_PARTS = (evaluate, "kl_per_dimension", "def kl_per_dimension")
LINEAR = (exact, "LinearGaussian", "class LinearGaussian")
PPCA = (exact, "fit_ppca", "def fit_ppca")
GRID = (exact, "latent_grid", "def latent_grid")
ON_GRID = (exact, "log_joint_on_grid", "def log_joint_on_grid")
POSTERIOR_ON_GRID = (exact, "posterior_on_grid", "def posterior_on_grid")
BETA = (objectives, "effective_beta", "def effective_beta")
IMPLIED = (objectives, "implied_sigma", "def implied_sigma")

# fault: (where, the true text, the faulty text, the checks that each must catch it)
FAULTS = {
    "sigma^2 in the sampler": (SAMPLER, "exp(0.5 * logvar)", "exp(logvar)", [check_sampler]),
    "logvar used as sigma": (SAMPLER, "torch.exp(0.5 * logvar)", "logvar", [check_sampler]),
    "detached sample": (SAMPLER, "return mu + sigma * eps", "return (mu + sigma * eps).detach()",
                        [check_sampler]),
    "detached sigma": (SAMPLER, "return mu + sigma * eps", "return mu + sigma.detach() * eps",
                       [check_sampler]),
    "same eps for every image": (SAMPLER, "randn(mu.shape,", "randn(mu.shape[1:],",
                                 [check_sampler]),
    "same eps for every latent": (SAMPLER, "randn(mu.shape,", "randn((len(mu), 1),",
                                  [check_sampler]),
    "uniform noise": (SAMPLER, "randn(", "rand(", [check_sampler]),
    "no noise": (SAMPLER, "return mu + sigma * eps", "return mu + 0 * sigma * eps",
                 [check_sampler]),
    "KL: mean over the latents": (KL, SUM, MEAN, [check_kl, check_kl_tiling]),
    "KL: mean over the batch": (KL, SUM, ".sum(1).mean(0, keepdim=True).expand(len(mu))",
                                [check_kl]),
    "KL: the half is missing": (KL, "-0.5 * (", "-(", [check_kl]),
    "KL: sign": (KL, "-0.5 * (", "0.5 * (", [check_kl]),
    "KL: logvar used as sigma": (KL, "logvar.exp()", "logvar.square()", [check_kl]),
    "KL: the 1 is missing": (KL, "(1 + logvar", "(logvar", [check_kl]),
    "Gaussian: no 2 pi": (GAUSSIAN, "LOG_2PI + logvar", "logvar", [check_gaussian]),
    "Gaussian: no log variance": (GAUSSIAN, "LOG_2PI + logvar", "LOG_2PI", [check_gaussian]),
    "Gaussian: mean over pixels": (GAUSSIAN, SUM, MEAN, [check_gaussian]),
    "Bernoulli: mean over pixels": (BERNOULLI, SUM, MEAN, [check_bernoulli, check_tiling]),
    "Bernoulli: sign": (BERNOULLI, "-F.binary", "F.binary", [check_bernoulli]),
    "continuous Bernoulli: no constant": (CONTINUOUS, "(x, logits) + log_constant", "(x, logits)",
                                          [check_continuous_bernoulli]),
    "continuous Bernoulli: poor series": (CONTINUOUS, "/ 12", "/ 6", [check_continuous_bernoulli]),
    "logistic: half a bin": (LOGISTIC, "x - mu + width / 2", "x - mu + width",
                             [check_discretized_logistic]),
    "logistic: finite end bins": (LOGISTIC, "x > 1 - width / 2", "x > 2",
                                  [check_discretized_logistic]),
    "ELBO: sign of the KL": (ELBO, "log_px_z - kl", "log_px_z + kl", [check_elbo]),
    "ELBO: no KL": (ELBO, "log_px_z - kl", "log_px_z", [check_elbo]),
    "ELBO: its negative": (ELBO, "log_px_z - kl", "kl - log_px_z", [check_elbo]),
    "ELBO: the mean code": (ELBO, "reparameterize(mu, logvar)", "mu", [check_elbo]),
    "ELBO: detached code": (ELBO, "decode(z)", "decode(z.detach())", [check_elbo]),
    "IWAE: no log k": (IWAE, " - math.log(k)", "", [check_iwae]),
    "IWAE: mean of the logs": (IWAE, "torch.logsumexp(log_w, 0) - math.log(k)", "log_w.mean(0)",
                               [check_iwae_rises]),
    "IWAE: weights of other images": (IWAE, "log_w.view(k, -1)", "log_w.view(-1, k).T",
                                      [check_iwae]),
    "IWAE: no prior": (IWAE, "log_px_z + log_pz", "log_px_z", [check_iwae]),
    "IWAE: sign of log q": (IWAE, "log_pz - gaussian", "log_pz + gaussian", [check_iwae]),
    "fit: sum over the batch": (STEP, " / n_images", "", [check_gradient]),
    "fit: sign": (STEP, "-bound.value", "bound.value", [check_gradient]),
    "fit: no KL in the loss": (STEP, "-bound.value.sum()", "-2 * bound.log_px_z.sum()",
                               [check_gradient]),
    "fit: batch means in the history": (STEP, ".detach().sum(1)", ".detach().mean(1)",
                                        [check_sums]),
    "fit: divided by the batches": (FIT, "step.total / len(data)", "step.total / state.n_batches",
                                    [check_history]),
    "binarize: a threshold": (BINARIZE, "torch.rand(x.shape, generator=generator, device=x.device)",
                              "0.5", [check_binarize]),
    "binarize: uint8 / 256": (BINARIZE, "/ 255", "/ 256", [check_binarize]),
    "log-likelihood: of the last chunk": (LOG_LIKELIHOOD, "float(k)", "float(sizes[-1])",
                                          [check_log_likelihood]),
    "log-likelihood: a fixed k": (LOG_LIKELIHOOD, "for size in sizes", "for size in sizes[:1]",
                                  [check_log_likelihood]),
    "log-likelihood: no prior": (LOG_LIKELIHOOD, "eps.square() - z.square()", "eps.square()",
                                 [check_log_likelihood, check_against_log_weights]),
    "log-likelihood: no log sigma": (LOG_LIKELIHOOD, " + logvar.sum(-1)", "",
                                     [check_log_likelihood, check_against_log_weights]),
    "log-likelihood: the half": (LOG_LIKELIHOOD, "0.5 * ((eps", "1.0 * ((eps",
                                 [check_log_likelihood, check_against_log_weights]),
    "log-likelihood: images mixed": (LOG_LIKELIHOOD, "*x.shape[1:]).flatten(0, 1)",
                                     "*x.shape[1:]).transpose(0, 1).flatten(0, 1)",
                                     [check_log_likelihood]),
    "log-likelihood: no max(l, 0)": (LOG_LIKELIHOOD, "linear = buffer.sum(-1)", "linear = 0",
                                     [check_against_log_weights, check_large_logits]),
    "log-likelihood: sign of x l": (LOG_LIKELIHOOD, "value=-1", "value=1",
                                    [check_against_log_weights, check_large_logits]),
    "log-likelihood: underflow": (LOG_LIKELIHOOD, "torch.abs(logits, out=buffer).sigmoid_()",
                                  "torch.sigmoid(logits)", [check_large_logits]),
    "log-likelihood: too many factors": (LOG_LIKELIHOOD, "range(1, 101)", "range(1, 1001)",
                                         [check_against_log_weights, check_large_logits]),
    "KL per dimension: a sum": (KL_PARTS, "gaussian_kl(m, v).mean()", "gaussian_kl(m, v).sum()",
                                [check_kl_per_dimension]),
    "linear: sigma for sigma^2": (LINEAR, "logvar.exp()", "logvar.mul(0.5).exp()",
                                  [check_evidence, check_posterior, check_exact_elbo]),
    "linear: reshaped, not transposed": (LINEAR, "z @ self.W.T", "z @ self.W.view(-1, len(self.b))",
                                         [check_evidence, check_exact_elbo]),
    "linear: W^T W without I": (LINEAR, "torch.eye(self.W.shape[1], dtype=self.W.dtype) + ", "",
                                [check_posterior, check_exact_elbo]),
    "linear: x not centred": (LINEAR, "(x - self.b)", "x", [check_posterior, check_exact_elbo]),
    "linear: q of the marginals": (LINEAR, "-self.precision().diagonal()",
                                   "torch.linalg.inv(self.precision()).diagonal()", [check_encode]),
    "linear: half is missing": (LINEAR, "-0.5 * (", "-(", [check_exact_elbo]),
    "linear: no 2 pi": (LINEAR, "2 * math.pi * ", "", [check_exact_elbo]),
    "linear: latents for pixels": (LINEAR, "len(self.b) * torch.log", "self.W.shape[1] * torch.log",
                                   [check_exact_elbo]),
    "linear: mean over pixels": (LINEAR, ".square().sum(1) +", ".square().mean(1) +",
                                 [check_exact_elbo]),
    "linear: the mean code": (LINEAR, " + logvar.exp() @ self.W.square().sum(0)", "",
                              [check_exact_elbo, check_encode]),
    "linear: sign of the KL": (LINEAR, "Bound(log_px_z - kl", "Bound(log_px_z + kl",
                               [check_exact_elbo]),
    "linear: covariance for precision": (LINEAR, "precision_matrix=", "covariance_matrix=",
                                         [check_exact_elbo]),
    "PPCA: mean of the kept": (PPCA, "eigenvalues[:-latent_dim].mean",
                               "eigenvalues[-latent_dim:].mean", [check_fit]),
    "PPCA: divided by n - 1": (PPCA, "/ n)", "/ (n - 1))", [check_fit]),
    "PPCA: no noise taken off": (PPCA, "eigenvalues[-latent_dim:] - ",
                                 "eigenvalues[-latent_dim:] - 0 * ", [check_fit]),
    "PPCA: no clamp": (PPCA, ".clamp(min=0)", "", [check_fit_with_sigma]),
    "PPCA: columns in the other order": (PPCA, ".flip(1)", "", [check_fit]),
    "grid: no volume": (GRID, " + log_cell", "", [check_grid]),
    "grid: one cell too many": (GRID, "(points - 1)", "points", [check_grid]),
    "grid: no prior": (ON_GRID, " + log_mass", "", [check_joint_on_grid]),
    "grid: normalised over images": (POSTERIOR_ON_GRID, ", 1)", ", 0)", [check_posterior_on_grid]),
    "beta: latents for pixels": (BETA, "(pixels if", "(latents if", [check_effective_beta]),
    "beta: sum for mean over latents": (BETA, "(latents if kl", "(1 if kl", [check_effective_beta]),
    "beta: no 2 before sigma^2": (BETA, "*= 2 * sigma**2", "*= sigma**2", [check_effective_beta]),
    "beta: sigma for sigma^2": (BETA, "*= 2 * sigma**2", "*= 2 * sigma", [check_effective_beta]),
    "sigma: a variance": (IMPLIED, "math.sqrt", "float", [check_implied_sigma]),
}  # fmt: skip

TRUE = {(*place, check) for place, _, _, checks in FAULTS.values() for check in checks}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(fault):
    (module, name, after), old, new, checks = FAULTS[fault]
    faulty = getattr(plant(module, old, new, after), name)
    for check in checks:
        with pytest.raises(AssertionError):
            check(faulty)


@pytest.mark.parametrize(
    "module, name, after, check",
    sorted(TRUE, key=lambda t: (t[1], t[3].__name__)),
    ids=lambda value: getattr(value, "__name__", value),
)
def test_an_unchanged_copy_passes(module, name, after, check):
    """So the copying itself trips no check."""
    check(getattr(plant(module, "\n", "\n", after), name))


def test_a_kl_in_the_wrong_direction_is_caught():
    with pytest.raises(AssertionError):
        check_kl(wrong_way)


@pytest.mark.parametrize("name, value", [
    ("gaussian_kl", wrong_way),
    ("reparameterize", lambda mu, logvar: mu + logvar.exp() * torch.randn_like(mu)),
    ("gaussian_kl", lambda mu, logvar: 0.5 * distributions.gaussian_kl(mu, logvar)),
])  # fmt: skip
def test_a_fault_below_reaches_the_elbo(monkeypatch, name, value):
    """The exact model catches a faulty part of the ELBO too, not only the part's own test."""
    monkeypatch.setattr(objectives, name, value)
    with pytest.raises(AssertionError):
        check_elbo(objectives.elbo)


def test_a_beta_by_accident_is_caught():
    with pytest.raises(AssertionError):
        check_elbo(partial(objectives.beta_elbo, beta=3.92))


def test_a_fault_whose_place_is_gone_is_an_error():
    with pytest.raises(AssertionError, match="plant the fault anew"):
        plant(distributions, "no such text", "")
