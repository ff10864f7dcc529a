"""The final implementations of the VAE book.  Importing it does no work."""

from .annealing import ais, reverse_ais
from .artifacts import load_result, load_run, manifest, save_run
from .compare import codes_of, decode_means, fit_densities
from .data import (
    FASHION_CLASSES,
    batches,
    binarize,
    load_binarized_mnist,
    load_fashion_mnist,
    load_mnist,
)
from .demos import BetaDemo, ReparameterizationDemo
from .devices import pick_device
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
from .evidence import laplace_evidence
from .exact import (
    LinearGaussian,
    bernoulli_evidence_on_grid,
    fit_ppca,
    latent_grid,
    log_evidence_on_grid,
    log_joint_on_grid,
    posterior_on_grid,
)
from .explore import BetaCalculator, LatentExplorer
from .gaps import elbo_of, optimal_posterior, split_gap
from .latent import attribute_direction, lerp, normal_grid, slerp
from .models import VAE, Autoencoder, make_model
from .nets import ConvDecoder, ConvEncoder, MLPDecoder, MLPEncoder
from .objectives import (
    Bound,
    WarmUp,
    beta_elbo,
    dreg_bound,
    effective_beta,
    elbo,
    free_bits_elbo,
    implied_sigma,
    iwae_bound,
    reconstruction_log_prob,
)
from .plotting import plot_history, plot_latents, plot_manifold, show_grid, use_style
from .quality import (
    GarmentClassifier,
    coverage_of,
    frechet_distance,
    hole_score,
    image_features,
    load_classifier,
    moments,
    sliced_distance,
)
from .rate import elbo_surgery, linear_rate_distortion
from .steering import steer
from .train import History, TrainConfig, fit, set_seed

__all__ = [
    "FASHION_CLASSES",
    "VAE",
    "Autoencoder",
    "BetaCalculator",
    "BetaDemo",
    "Bound",
    "ConvDecoder",
    "ConvEncoder",
    "GarmentClassifier",
    "History",
    "LatentExplorer",
    "LinearGaussian",
    "MLPDecoder",
    "MLPEncoder",
    "ReparameterizationDemo",
    "TrainConfig",
    "WarmUp",
    "active_units",
    "ais",
    "attribute_direction",
    "batches",
    "bernoulli_evidence_on_grid",
    "bernoulli_log_prob",
    "beta_elbo",
    "binarize",
    "codes_of",
    "continuous_bernoulli_log_prob",
    "coverage_of",
    "decode_means",
    "discretized_logistic_log_prob",
    "dreg_bound",
    "effective_beta",
    "elbo",
    "elbo_of",
    "elbo_surgery",
    "evaluate_bound",
    "evaluate_elbo",
    "fit",
    "fit_densities",
    "fit_ppca",
    "frechet_distance",
    "free_bits_elbo",
    "gaussian_kl",
    "gaussian_log_prob",
    "hole_score",
    "image_features",
    "implied_sigma",
    "iwae_bound",
    "kl_per_dimension",
    "laplace_evidence",
    "latent_grid",
    "lerp",
    "linear_rate_distortion",
    "load_binarized_mnist",
    "load_classifier",
    "load_fashion_mnist",
    "load_mnist",
    "load_result",
    "load_run",
    "log_evidence_on_grid",
    "log_joint_on_grid",
    "log_likelihood",
    "make_model",
    "manifest",
    "moments",
    "normal_grid",
    "optimal_posterior",
    "pick_device",
    "plot_history",
    "plot_latents",
    "plot_manifold",
    "posterior",
    "posterior_on_grid",
    "reconstruction_log_prob",
    "reparameterize",
    "reverse_ais",
    "save_run",
    "set_seed",
    "show_grid",
    "slerp",
    "sliced_distance",
    "split_gap",
    "steer",
    "use_style",
]
