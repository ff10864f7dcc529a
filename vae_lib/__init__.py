"""The final implementations of the VAE book.  Importing it does no work."""

from .artifacts import load_run, manifest, save_run
from .data import (
    FASHION_CLASSES,
    batches,
    binarize,
    load_binarized_mnist,
    load_fashion_mnist,
    load_mnist,
)
from .distributions import (
    bernoulli_log_prob,
    continuous_bernoulli_log_prob,
    discretized_logistic_log_prob,
    gaussian_kl,
    gaussian_log_prob,
    reparameterize,
)
from .evaluate import (
    active_units,
    evaluate_bound,
    evaluate_elbo,
    kl_per_dimension,
    log_likelihood,
    posterior,
)
from .exact import (
    LinearGaussian,
    fit_ppca,
    latent_grid,
    log_evidence_on_grid,
    log_joint_on_grid,
    posterior_on_grid,
)
from .explore import BetaCalculator
from .models import VAE, Autoencoder, make_model
from .nets import ConvDecoder, ConvEncoder, MLPDecoder, MLPEncoder
from .objectives import (
    Bound,
    beta_elbo,
    effective_beta,
    elbo,
    implied_sigma,
    iwae_bound,
    reconstruction_log_prob,
)
from .plotting import plot_history, plot_latents, plot_manifold, show_grid, use_style
from .train import History, TrainConfig, fit, pick_device, set_seed

__all__ = [
    "FASHION_CLASSES",
    "VAE",
    "Autoencoder",
    "BetaCalculator",
    "Bound",
    "ConvDecoder",
    "ConvEncoder",
    "History",
    "LinearGaussian",
    "MLPDecoder",
    "MLPEncoder",
    "TrainConfig",
    "active_units",
    "batches",
    "bernoulli_log_prob",
    "beta_elbo",
    "binarize",
    "continuous_bernoulli_log_prob",
    "discretized_logistic_log_prob",
    "effective_beta",
    "elbo",
    "evaluate_bound",
    "evaluate_elbo",
    "fit",
    "fit_ppca",
    "gaussian_kl",
    "gaussian_log_prob",
    "implied_sigma",
    "iwae_bound",
    "kl_per_dimension",
    "latent_grid",
    "load_binarized_mnist",
    "load_fashion_mnist",
    "load_mnist",
    "load_run",
    "log_evidence_on_grid",
    "log_joint_on_grid",
    "log_likelihood",
    "make_model",
    "manifest",
    "pick_device",
    "plot_history",
    "plot_latents",
    "plot_manifold",
    "posterior",
    "posterior_on_grid",
    "reconstruction_log_prob",
    "reparameterize",
    "save_run",
    "set_seed",
    "show_grid",
    "use_style",
]
