"""Checks of problem set B on the split: every image once, every class, and the seed."""

import torch

from .engine import Check, Question, Wrong, untouched
from .parts import split


def _labels(generator):
    """Labels of three classes, 8 to 13 images each, in a random order, and how many to hold out."""
    sizes = (8 + torch.randint(6, (3,), generator=generator)).tolist()
    labels = torch.cat([torch.full((n,), c) for c, n in zip((2, 5, 7), sizes, strict=True)])
    order = torch.randperm(len(labels), generator=generator)
    return labels[order], int(torch.randint(2, 5, (), generator=generator))


def _parts(ask, labels, per_class, start=4, **options):
    """The two parts of an answer as tensors of indices, sorted."""
    reply = ask(labels, per_class, start, **options)
    untouched(reply)
    found = []
    for value in split(reply.value, 2):
        part = torch.as_tensor(value)
        if part.ndim != 1 or part.is_floating_point():
            raise Wrong("each part is a row of indices, whole numbers of shape (n,)")
        if part.dtype == torch.bool:
            raise Wrong("this is a mask: return the indices of the images")
        found.append(part.sort().values)
    return found


def _partition(ask, generator):
    labels, per_class = _labels(generator)
    for start in range(6):  # a draw with repetition is whole now and then
        _whole(len(labels), *_parts(ask, labels, per_class, start))


def _whole(n, train, test):
    if torch.isin(test, train).any():
        raise Wrong("an image stands in both parts: the test would ask what was learned by heart")
    both = torch.cat([train, test]).sort().values
    if len(both.unique()) < len(both):
        raise Wrong("an image stands twice in one part")
    if not torch.equal(both, torch.arange(n)):
        raise Wrong(f"{n} images came in, {len(both)} came out: no image may be lost")


def _balance(ask, generator):
    labels, per_class = _labels(generator)
    for start in range(6):  # chance alone is balanced now and then
        _balanced(labels, per_class, _parts(ask, labels, per_class, start)[1])


def _balanced(labels, per_class, test):
    if not torch.isin(test, torch.arange(len(labels))).all():
        raise Wrong("the test part holds an index that no image has")
    counts = [int((labels[test.unique()] == c).sum()) for c in labels.unique()]
    if counts == [per_class] * len(counts):
        return
    if [int((labels == c).sum()) - per_class for c in labels.unique()] == counts:
        raise Wrong("the two parts stand the other way round: the training images first")
    raise Wrong(f"the test part holds {counts} images of the classes, not {per_class} of each")


def _seeded(ask, generator):
    labels, per_class = _labels(generator)
    first, again = (_parts(ask, labels, per_class, seed=s)[1].tolist() for s in (1, 2))
    if first != again:
        raise Wrong("the same seed gives two splits: draw from a generator started at `seed`")
    drawn = [_parts(ask, labels, per_class, start)[1].tolist() for start in range(10, 16)]
    if len(set(map(tuple, drawn))) < 4:
        raise Wrong("another seed gives the same split: which images are held out must be drawn")


SPLIT = Question(
    "set-b-split",
    "split",
    minutes=20,
    checks=(
        Check("every image is in one part", _partition, points=2),
        Check("as many of every class", _balance, points=2),
        Check("the seed decides, and nothing else", _seeded, points=3),
    ),
)
