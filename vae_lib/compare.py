"""One set of measurements for an autoencoder and a VAE, the same for both (chapter 9).

Every function takes either model.  Images are in [0, 1], (N, 1, 28, 28), binarised where the
models were trained on binary images.
"""

from typing import NamedTuple

import torch
from torch import distributions as td

from .data import batches
from .distributions import reparameterize
from .evidence import log_px_given_z
from .quality import coverage_of, frechet_distance, image_features, moments, neighbour_distance


class Codes(NamedTuple):
    """point: f(x) of an autoencoder, mu of a VAE; drawn: z ~ q(z given x), else the point."""

    point: torch.Tensor
    drawn: torch.Tensor


@torch.no_grad()
def codes_of(model, images, seed=0):
    """The codes of images (N, C, H, W): `Codes` of (N, J) each, on the CPU."""
    device, generator = next(model.parameters()).device, torch.Generator().manual_seed(seed)
    points, drawn = [], []
    for x in batches(images, 500):
        out = model.encode(x.to(device))
        if isinstance(out, tuple):
            mu, logvar = (part.cpu() for part in out)
            points.append(mu)
            drawn.append(reparameterize(mu, logvar, generator))
        else:
            points.append(out.cpu())
            drawn.append(points[-1])
    return Codes(torch.cat(points), torch.cat(drawn))


@torch.no_grad()
def decode_means(model, z, batch_size=500):
    """z (N, J) -> the means of p(x given z), (N, C, H, W), on the CPU."""
    device = next(model.parameters()).device
    return torch.cat(
        [model.likelihood.mean(model.decode(part.to(device))).cpu() for part in z.split(batch_size)]
    )


def fit_densities(codes, components=20, seed=0):
    """Three densities to draw codes from: {name: torch distribution over z (J,)}, in float64.

    "standard" is N(0, I), the prior of a VAE; "gaussian" and "mixture" (full covariances) are
    fitted to codes (N, J) after training, as Ghosh et al. 2020 do for autoencoders.
    Needs scikit-learn.
    """
    from sklearn.mixture import GaussianMixture

    codes = codes.double()  # in float32 a component's covariance may lose its positive sign
    fit = GaussianMixture(components, random_state=seed, reg_covar=1e-5).fit(codes.numpy())
    weights, means, covariances = map(
        torch.from_numpy, (fit.weights_, fit.means_, fit.covariances_)
    )
    one = torch.eye(codes.shape[1], dtype=torch.float64)
    return {
        "standard": td.MultivariateNormal(torch.zeros_like(one[0]), one),
        "gaussian": td.MultivariateNormal(*moments(codes)),
        "mixture": td.MixtureSameFamily(
            td.Categorical(weights), td.MultivariateNormal(means, covariances)
        ),
    }


@torch.no_grad()
def reconstruction_scores(model, x, clean, seed=0):
    """How well binary images x (N, 1, 28, 28) and their grey originals come back from the codes.

    nats: -log p(x given z) at the drawn code, the reconstruction term of the model's own
    objective.  nats_at_point: at f(x) or mu.  squared_error: of the mean image at the point
    against the grey images, summed over pixels.  Each is the mean over images; lower is better.
    """
    codes = codes_of(model, x, seed)
    pairs = {
        name: list(zip(x.split(500), z.split(500), strict=True))
        for name, z in codes._asdict().items()
    }
    nats = {
        name: -torch.cat([log_px_given_z(model, part, z) for part, z in chunks]).mean().item()
        for name, chunks in pairs.items()
    }
    error = (decode_means(model, codes.point) - clean).square().flatten(1).sum(1)
    return {
        "nats": nats["drawn"],
        "nats_at_point": nats["point"],
        "squared_error": error.mean().item(),
    }


def denoising_scores(model, x, clean, share=0.1, seed=0):
    """What comes back when a share of the pixels of x is flipped: squared errors per image.

    input: of the flipped image itself against the grey original; output: of its reconstruction
    at f(x) or mu.  No model was trained for it.
    """
    generator = torch.Generator().manual_seed(seed)
    flip = torch.rand(x.shape, generator=generator) < share
    noisy = torch.where(flip, 1 - x, x)
    output = decode_means(model, codes_of(model, noisy).point)
    scores = {"input": noisy, "output": output}
    return {k: (v - clean).square().flatten(1).sum(1).mean().item() for k, v in scores.items()}


def sample_scores(images, classifier, real, k=5):
    """Generated images (M, 1, 28, 28) against real features (N, F).

    frechet: over all M, against the 10,000 test images; precision, recall and coverage: of the
    first N of them.
    """
    generated = image_features(classifier, images)
    distance = frechet_distance(moments(generated), (classifier.test_mean, classifier.test_cov))
    return {"frechet": distance} | coverage_of(real, generated[: len(real)], k)._asdict()


def interpolation_scores(model, start, end, classifier, real, steps=9, k=5):
    """Straight walks from codes start to end (P, J), both of real images.

    realism: share of the images halfway that lie in the ball of some real image (precision).
    unevenness: longest step of a walk over its mean step, in feature space, mean over walks; 1
    would be even.
    """
    t = torch.linspace(0, 1, steps).view(-1, 1, 1)
    walks = (1 - t) * start + t * end  # (steps, P, J)
    path = image_features(classifier, decode_means(model, walks.flatten(0, 1)))
    return walk_scores(path.view(steps, len(start), -1), real, k)


def walk_scores(path, real, k=5):
    """The scores of `interpolation_scores` from the features (steps, P, F) of any walks."""
    middle, lengths = path[len(path) // 2], (path[1:] - path[:-1]).norm(dim=2)
    inside = (torch.cdist(middle, real) <= neighbour_distance(real, k)).any(1)
    return {
        "realism": inside.double().mean().item(),
        "unevenness": (lengths.max(0).values / lengths.mean(0)).mean().item(),
    }


def probe_scores(train, train_labels, test, test_labels):
    """Accuracy of two simple readers of the codes (N, J): {"linear": ..., "neighbours": ...}.

    Logistic regression and 10 nearest neighbours, on codes scaled to unit variance.
    Needs scikit-learn.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    readers = {"linear": LogisticRegression(max_iter=2000), "neighbours": KNeighborsClassifier(10)}
    return {
        name: make_pipeline(StandardScaler(), reader)
        .fit(train.numpy(), train_labels.numpy())
        .score(test.numpy(), test_labels.numpy())
        for name, reader in readers.items()
    }
