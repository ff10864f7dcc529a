"""How good are samples and codes?  Distances in the feature space of a small fixed classifier.

Inception's features know photographs; garments of 28 by 28 pixels get a classifier of their own,
trained once (`experiments/train_classifier.py`) and shipped, so that numbers can be compared.
"""

from typing import NamedTuple

import torch
from torch import nn

from .artifacts import load_run
from .data import batches


class GarmentClassifier(nn.Module):
    """x (B, 1, 28, 28) in [0, 1] -> logits (B, 10) of the classes of Fashion-MNIST.

    `embed` gives the layer before the logits.  `test_mean`, `test_cov` are the mean and the
    covariance of these features over all 10,000 test images, the reference of `frechet_distance`.
    """

    def __init__(self, channels=(16, 32, 64), n_features=64, n_classes=10):
        super().__init__()
        layers, c_in = [], 1
        for c_out in channels:  # 28 -> 14 -> 7 -> 3 pixels a side
            layers += [nn.Conv2d(c_in, c_out, 3, padding=1), nn.BatchNorm2d(c_out)]
            layers += [nn.ReLU(), nn.MaxPool2d(2)]
            c_in = c_out
        layers += [nn.Flatten(), nn.Linear(c_in * 9, n_features), nn.ReLU()]
        self.embed = nn.Sequential(*layers)
        self.dropout = nn.Dropout(0.3)
        self.head = nn.Linear(n_features, n_classes)
        self.register_buffer("test_mean", torch.zeros(n_features))
        self.register_buffer("test_cov", torch.eye(n_features))

    def forward(self, x):
        return self.head(self.dropout(self.embed(x)))


class Coverage(NamedTuple):
    """Shares in [0, 1]: generated images that look real, and real images that are reached."""

    precision: float
    recall: float
    coverage: float


def load_classifier():
    """The shipped classifier, in evaluation mode on the CPU, and its manifest entry."""
    return load_run("classifier", build=GarmentClassifier)


@torch.no_grad()
def image_features(classifier, images, batch_size=500):
    """images (N, 1, 28, 28), uint8 or in [0, 1] -> features (N, F) in float64 on the CPU."""
    device = next(classifier.parameters()).device
    parts = [classifier.embed(x.to(device)).cpu() for x in batches(images, batch_size)]
    return torch.cat(parts).double()


def moments(features):
    """features (N, F) -> their mean (F,) and covariance (F, F).  Raises ValueError for N < 2."""
    if len(features) < 2:
        raise ValueError(f"a covariance needs at least 2 rows of features, got {len(features)}")
    return features.mean(0), torch.cov(features.T)


def frechet_distance(a, b):
    """Squared Frechet distance of two Gaussians, each given as (mean (F,), covariance (F, F)).

    |m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)); the FID of Heusel et al. 2017, eq. (6),
    with features of one's own.  Never negative; 0 when the moments agree.
    """
    (mean_a, cov_a), (mean_b, cov_b) = ([part.double() for part in pair] for pair in (a, b))
    values, vectors = torch.linalg.eigh(cov_a)
    root = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    # C_a C_b and root C_b root have the same eigenvalues, and the second matrix is symmetric
    cross = torch.linalg.eigvalsh(root @ cov_b @ root).clamp_min(0).sqrt().sum()
    distance = (mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross
    return max(distance.item(), 0.0)


def coverage_of(real, generated, k=5):
    """Precision, recall and coverage of generated features (M, F) for real ones (N, F).

    Around each point lies a ball that reaches to its k-th nearest neighbour of its own kind.
    precision: generated points in some real ball; recall: real points in some generated ball
    (Kynkaanniemi et al. 2019, eq. 1).  coverage: real balls that hold a generated point (Naeem
    et al. 2020, eq. 4), which one outlier cannot raise.  All depend on N, M and k: state them.
    Raises ValueError where a set has no k-th neighbour.
    """
    if min(len(real), len(generated)) <= k:
        raise ValueError(f"k = {k} neighbours need more than {k} points in each set")
    between = torch.cdist(generated, real)
    real_radius, generated_radius = (neighbour_distance(s, k) for s in (real, generated))
    return Coverage(
        precision=(between <= real_radius).any(1).double().mean().item(),
        recall=(between <= generated_radius[:, None]).any(0).double().mean().item(),
        coverage=(between.min(0).values <= real_radius).double().mean().item(),
    )


def neighbour_distance(points, k):
    """Distance of each point (N, F) to its k-th nearest other point: (N,)."""
    # the nearest point of all is the point itself
    return torch.cdist(points, points).kthvalue(k + 1).values


def hole_score(codes, held_out, draws, level=0.95):
    """Share of draws (M, J) that fall where no code lies, in [0, 1].

    A draw lies in a hole when its nearest of the codes (N, J) is farther than that of a share
    `level` of the held-out codes.  Where draws and codes have one distribution, about 1 - level
    of the draws do; codes that a VAE proposes must be drawn from q, not be its means.
    Raises ValueError on codes of different lengths.
    """
    lengths = {points.shape[1] for points in (codes, held_out, draws)}
    if len(lengths) > 1:
        raise ValueError(f"codes, held_out and draws need one J, got {sorted(lengths)}")
    usual = torch.cdist(held_out, codes).min(1).values.quantile(level)
    return (torch.cdist(draws, codes).min(1).values > usual).double().mean().item()


def sliced_distance(a, b, directions=200, seed=0):
    """Sliced 1-Wasserstein distance of two sets of codes (N, J): the mean over random directions.

    Along a line, the mean distance between the sorted projections (Bonneel et al. 2015).  Both
    sets must have the same number of rows.
    """
    if a.shape != b.shape:
        raise ValueError(f"both sets need one shape (N, J), got {tuple(a.shape)}, {tuple(b.shape)}")
    lines = torch.randn(a.shape[1], directions, generator=torch.Generator().manual_seed(seed))
    lines = (lines / lines.norm(dim=0)).to(a)
    return ((a @ lines).sort(0).values - (b @ lines).sort(0).values).abs().mean().item()
