"""The latent plane of a model as the explorer shows it: its codes in their own units, its holes."""

import torch

from .compare import codes_of
from .data import check_images, to_unit
from .pieces import exported, packed


class Plane:
    """The plane of one model: its codes in their own units, and where they leave a hole."""

    def __init__(self, name, model, images):
        self.name, self.model = name, model
        codes = codes_of(model, to_unit(images)).point
        self.mean, self.sd = codes.mean(0), codes.std(0)
        if not (self.sd > 0).all():
            raise ValueError(f"all codes of {name} are equal in one latent: it is not used")
        self.u = (codes - self.mean) / self.sd
        apart = torch.cdist(self.u, self.u).fill_diagonal_(torch.inf)
        self.reach = apart.amin(1).quantile(0.95).item()
        self.hole, self.depth = emptiest(self.u)

    def data(self):
        """What the script needs, as plain JSON; codes in steps of 1/400 of a unit."""
        steps = (400 * self.u).round().clamp(-2047, 2047)
        return {
            "name": self.name,
            "decoder": exported(self.model),
            "mean": self.mean.tolist(),
            "sd": self.sd.tolist(),
            "codes": packed(steps, "i12"),
            "reach": self.reach,
            "hole": self.hole.tolist(),
        }


def emptiest(u, side=2.5, steps=101, most=0.05):
    """The point among the codes u (N, 2) that is farthest from all of them, and that distance.

    Among them: every line through the point has at least the part `most` of the codes on each
    side (halfspace depth; 24 directions are looked at).
    """
    line = torch.linspace(-side, side, steps)
    grid = torch.cartesian_prod(line, line)
    angles = torch.arange(24) * (2 * torch.pi / 24)
    directions = torch.stack([angles.cos(), angles.sin()])
    limits = (u @ directions).quantile(1 - most, dim=0)
    among = (grid @ directions <= limits).all(1)
    off = torch.where(among, torch.cdist(grid, u).amin(1), -1.0)
    return grid[off.argmax()], off.max().item()


def medians_of(u, labels):
    """The median code of each class that occurs, (classes, 2)."""
    return torch.stack([u[labels == c].median(0).values for c in labels.unique()])


def spread_rows(labels, n, generator):
    """About n rows, as many of each class as there are or fit, in random order."""
    classes = labels.unique()
    order = torch.randperm(len(labels), generator=generator)
    each = max(1, n // len(classes))
    rows = torch.cat([order[labels[order] == c][:each] for c in classes])
    return rows[torch.randperm(len(rows), generator=generator)]


def checked(models, images, labels, names, shown):
    """Labels as a tensor and names as a list, or a ValueError that says what does not match."""
    for name, model in models.items():
        check_images(images, "images", model)
        if model.decoder.latent_dim != 2:
            raise ValueError(f"a plane has two latents, {name} has {model.decoder.latent_dim}")
    labels = torch.as_tensor(labels).cpu()
    if labels.shape != images.shape[:1] or len(shown) != len(images):
        raise ValueError(
            f"{len(images)} images need as many labels and pictures to show, "
            f"got {tuple(labels.shape)} and {len(shown)}"
        )
    names = [str(c) for c in range(int(labels.max()) + 1)] if names is None else list(names)
    if labels.min() < 0 or labels.max() >= len(names) or len(names) > 10:
        raise ValueError(
            f"labels {labels.min()} to {labels.max()} need names for each, ten at most, "
            f"got {len(names)}"
        )
    return labels, names
