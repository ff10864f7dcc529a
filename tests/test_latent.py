"""Paths, grids and directions in a latent space, and what they refuse."""

import math
from statistics import NormalDist

import pytest
import torch

from vae_lib.latent import attribute_direction, lerp, normal_grid, slerp

T = torch.linspace(0, 1, 9, dtype=torch.float64)


def codes(*shape):
    return torch.randn(*shape, dtype=torch.float64)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("path", [lerp, slerp])
def test_a_path_begins_at_a_and_ends_at_b(path):
    a, b = codes(4, 20), codes(4, 20)
    walk = path(a, b, T)
    assert walk.shape == (4, 9, 20)
    torch.testing.assert_close(walk[:, 0], a)
    torch.testing.assert_close(walk[:, -1], b)


@pytest.mark.parametrize("path", [lerp, slerp])
def test_a_batch_of_paths_is_its_paths_one_by_one(path):
    a, b = codes(3, 5, 7), codes(3, 5, 7)
    single = torch.stack([path(x, y, T) for x, y in zip(a.view(-1, 7), b.view(-1, 7), strict=True)])
    torch.testing.assert_close(path(a, b, T).view(15, 9, 7), single)


def test_slerp_keeps_the_length_and_an_even_speed():
    a, b = (3 * torch.nn.functional.normalize(codes(50, 20), dim=1) for _ in range(2))
    walk = slerp(a, b, T)
    torch.testing.assert_close(walk.norm(dim=2), torch.full((50, 9), 3.0, dtype=torch.float64))
    steps = walk.diff(dim=1).norm(dim=2)
    torch.testing.assert_close(steps, steps[:, :1].expand_as(steps))


def test_slerp_on_a_quarter_circle():
    walk = slerp(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), torch.tensor([1 / 3, 0.5]))
    expected = torch.tensor([[math.sqrt(3) / 2, 0.5], [math.sqrt(0.5), math.sqrt(0.5)]])
    torch.testing.assert_close(walk, expected)


def test_slerp_of_parallel_codes_is_the_line():
    a = codes(6, 5)
    torch.testing.assert_close(slerp(a, 2.5 * a, T), lerp(a, 2.5 * a, T))
    torch.testing.assert_close(slerp(a, a, T), a[:, None].expand(6, 9, 5))
    single = a.float()
    near = slerp(single, single + 1e-6, T.float())
    torch.testing.assert_close(near, lerp(single, single + 1e-6, T.float()))


def test_slerp_near_an_opposite_code_still_keeps_the_length():
    angle = math.pi - 0.01
    a, b = torch.tensor([1.0, 0.0]), torch.tensor([math.cos(angle), math.sin(angle)])
    assert (slerp(a, b, T.float()).norm(dim=1) - 1).abs().max() < 1e-4


def test_slerp_refuses_what_has_no_arc():
    a = codes(4)
    with pytest.raises(ValueError, match="opposite codes"):
        slerp(a, -2 * a, T)
    with pytest.raises(ValueError, match="length 0"):
        slerp(a, torch.zeros_like(a), T)
    with pytest.raises(ValueError, match="length 0"):
        slerp(torch.zeros_like(a), a, T)
    batch = codes(3, 4)
    with pytest.raises(ValueError, match="opposite codes"):
        slerp(batch, torch.cat([batch[:2] + 1, -batch[2:]]), T)


def test_paths_keep_dtype_and_gradient():
    a, b = torch.randn(3).requires_grad_(), torch.randn(3)
    for path in (lerp, slerp):
        walk = path(a, b, T.float())
        assert walk.dtype == torch.float32
        assert torch.autograd.grad(walk.sum(), a)[0].isfinite().all()


def test_the_grid_goes_row_by_row_from_the_top():
    grid = normal_grid(4)
    assert grid.shape == (16, 2) and grid.dtype == torch.float32
    assert (grid[:4, 1] == grid[0, 1]).all() and (grid[:4, 0].diff() > 0).all()
    assert (grid[::4, 1].diff() < 0).all()
    torch.testing.assert_close(grid, -grid.flip(0))


@pytest.mark.parametrize("n", [1, 2, 7])
def test_each_column_of_the_grid_stands_in_the_middle_of_its_share(n):
    axis = normal_grid(n)[:n, 0].tolist()
    below = [NormalDist().cdf(z) for z in axis]
    assert below == pytest.approx([(i + 0.5) / n for i in range(n)], abs=1e-6)


def test_a_grid_without_rows_is_refused():
    with pytest.raises(ValueError, match="n = 0"):
        normal_grid(0)


def test_a_direction_carries_one_mean_to_the_other():
    z, has = codes(200, 6), torch.arange(200) % 3 == 0
    z[has] += 5
    direction = attribute_direction(z, has)
    torch.testing.assert_close(z[~has].mean(0) + direction, z[has].mean(0))
    torch.testing.assert_close(attribute_direction(z, ~has), -direction)
    torch.testing.assert_close(attribute_direction(z, has.long()), direction)


def test_a_direction_needs_codes_with_and_without():
    for has in (torch.ones(5), torch.zeros(5)):
        with pytest.raises(ValueError, match="of 5 have the attribute"):
            attribute_direction(codes(5, 2), has)
