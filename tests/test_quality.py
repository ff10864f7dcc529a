"""Sample quality and codes: exact answers, a trusted implementation, and the shipped classifier."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg

import vae_lib as vl
from vae_lib import quality
from vae_lib.quality import (
    coverage_of,
    frechet_distance,
    hole_score,
    image_features,
    moments,
    neighbour_distance,
    sliced_distance,
)


def gaussian_moments(n_features, generator):
    root = torch.randn(n_features, n_features + 2, generator=generator, dtype=torch.float64)
    mean = torch.randn(n_features, generator=generator, dtype=torch.float64)
    return mean, root @ root.T / n_features


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 12))
def test_frechet_distance_equals_scipys(seed, n_features):
    generator = torch.Generator().manual_seed(seed)
    (m_a, c_a), (m_b, c_b) = (gaussian_moments(n_features, generator) for _ in range(2))
    root = linalg.sqrtm((c_a @ c_b).numpy()).real
    wanted = ((m_a - m_b) ** 2).sum() + c_a.trace() + c_b.trace() - 2 * root.trace()
    assert frechet_distance((m_a, c_a), (m_b, c_b)) == pytest.approx(wanted.item(), rel=1e-6)


def test_frechet_distance_of_a_shift_and_a_stretch():
    one, zero = torch.eye(3), torch.zeros(3)
    assert frechet_distance((zero, one), (zero, one)) == pytest.approx(0, abs=1e-12)
    assert frechet_distance((zero, one), (zero + 2, one)) == pytest.approx(12)
    assert frechet_distance((zero, one), (zero, 9 * one)) == pytest.approx(3 * (3 - 1) ** 2)
    flat = torch.diag(torch.tensor([1.0, 0.0, 0.0]))  # a feature that never varies
    assert frechet_distance((zero, flat), (zero, flat)) == pytest.approx(0, abs=1e-12)


def test_moments_are_those_of_numpy_and_need_two_rows():
    features = torch.randn(50, 4, dtype=torch.float64)
    mean, cov = moments(features)
    torch.testing.assert_close(mean, features.mean(0))
    torch.testing.assert_close(cov, (features - mean).T @ (features - mean) / 49)
    with pytest.raises(ValueError, match="at least 2 rows"):
        moments(features[:1])


def test_coverage_tells_dropped_modes_from_bad_images():
    torch.manual_seed(0)
    left, right = torch.randn(400, 2) - 20, torch.randn(400, 2) + 20
    real = torch.cat([left, right]).double()
    fresh = torch.cat([torch.randn(400, 2) - 20, torch.randn(400, 2) + 20]).double()
    same, half = coverage_of(real, fresh), coverage_of(real, fresh[:400])
    noise = coverage_of(real, 20 * torch.randn(800, 2).double())
    assert same.precision > 0.9 and same.recall > 0.9 and same.coverage > 0.9
    assert half.precision > 0.9 and half.recall < 0.55 and half.coverage < 0.55
    assert noise.precision < 0.3 and noise.coverage < 0.3
    outlier = torch.cat([fresh[:400], torch.full((5, 2), 80.0).double(), real[:1] * 0 + 500])
    assert coverage_of(real, outlier).recall > coverage_of(real, outlier).coverage


def test_coverage_counts_by_hand():
    """Four points on a line, k = 1: the balls have radius 1, 1, 3 and 3."""
    real = torch.tensor([[0.0], [1.0], [4.0], [7.0]])
    assert neighbour_distance(real, 1).tolist() == [1, 1, 3, 3]
    generated = torch.tensor([[1.5], [2.2], [30.0]])
    scores = coverage_of(real, generated, k=1)
    assert scores.precision == pytest.approx(2 / 3)  # 30 lies in no ball
    assert scores.coverage == pytest.approx(2 / 4)  # the balls round 1 and 4
    # the generated balls have radius 0.7, 0.7 and 27.8: only the outlier's reaches 4 and 7
    assert scores.recall == pytest.approx(3 / 4)
    with pytest.raises(ValueError, match="more than 4 points"):
        coverage_of(real, generated, k=4)


def test_hole_score_is_five_percent_without_holes_and_sees_one():
    torch.manual_seed(0)
    codes, held_out, draws = torch.randn(3, 4000, 2)
    assert hole_score(codes, held_out, draws) == pytest.approx(0.05, abs=0.015)
    ring = codes[codes.norm(dim=1) > 1], held_out[held_out.norm(dim=1) > 1]
    inside = 1 - math.exp(-0.5)  # the mass of N(0, I) within radius 1
    assert inside * 0.7 < hole_score(*ring, draws) < inside + 0.05
    assert hole_score(codes, held_out, draws + 100) == 1
    with pytest.raises(ValueError, match="one J"):
        hole_score(codes, held_out, draws[:, :1])


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 6), st.floats(-3, 3))
def test_sliced_distance_of_a_shift(dimensions, shift):
    """A shift moves each projection by its part along the line: |shift . line|, on average."""
    generator = torch.Generator().manual_seed(dimensions)
    a = torch.randn(50, dimensions, generator=generator, dtype=torch.float64)
    lines = torch.randn(dimensions, 200, generator=torch.Generator().manual_seed(0)).double()
    wanted = (shift * (lines / lines.norm(dim=0)).sum(0)).abs().mean().item()
    assert sliced_distance(a, a[torch.randperm(50)] + shift) == pytest.approx(wanted, abs=1e-6)
    with pytest.raises(ValueError, match="one shape"):
        sliced_distance(a, a[1:])


@pytest.fixture(scope="module")
def classifier():
    return quality.load_classifier()


def test_classifier_is_as_good_as_its_manifest_says(classifier):
    """On the 2,000 embedded test images, within four standard errors of all 10,000."""
    model, entry = classifier
    images, labels = vl.load_fashion_mnist("test")
    with torch.no_grad():
        right = (model(images / 255).argmax(1) == labels).double()
    stored = entry["metrics"]["test_accuracy"]
    assert stored > 0.92
    assert abs(right.mean().item() - stored) < 4 * (stored * (1 - stored) / len(labels)) ** 0.5


def test_classifier_keeps_the_moments_of_the_test_features(classifier):
    """Those of the embedded fifth lie near; a shifted mean or another covariance would not."""
    model, _ = classifier
    images, _ = vl.load_fashion_mnist("test")
    features = image_features(model, images)
    kept = (model.test_mean, model.test_cov)
    assert frechet_distance(moments(features), kept) < 1
    assert frechet_distance(moments(features + 0.3), kept) > 5
    assert torch.equal(image_features(model, images, batch_size=77), features)
