"""Checks of training steps and of evaluation, for problem set A."""

import torch

from .engine import Question, values
from .set_a_model import USES
from .tiny_model import SHARP, binary, kl_of, log_prob_of, tiny

RATE = 0.02


def _one_batch(steps):
    def draw(generator):
        return tiny(generator, SHARP), binary(generator, 5), RATE, steps

    return draw


def _terms(model, x):
    """The two terms of the ELBO at vanishing sigma, where a draw is its mean: (B,) each."""
    mu, logvar = model.encode(x)
    return log_prob_of(model, x, mu), kl_of(mu, logvar)


def _loss(model, x):
    log_px_z, kl = _terms(model, x)
    return (kl - log_px_z).mean()


def _descent(objective=_loss, shown=_loss, direction=1.0, kept=0.0):
    """Losses of gradient steps by hand; kept: the share of the last gradient that stays."""

    def formula(made, x, lr, steps):
        model = made.build()
        weights = list(model.parameters())
        losses, total = [], [torch.zeros_like(p) for p in weights]
        for _ in range(steps):
            losses.append(shown(model, x).item())
            new = torch.autograd.grad(objective(model, x), weights, allow_unused=True)
            pairs = zip(total, new, strict=True)
            total = [kept * t + (torch.zeros_like(t) if g is None else g) for t, g in pairs]
            with torch.no_grad():
                for p, step in zip(weights, total, strict=True):
                    p -= direction * lr * step
        return losses

    return formula


def _after(made, x, lr, steps):
    return _descent()(made, x, lr, steps + 1)[1:]


def _summed(model, x):
    return len(x) * _loss(model, x)


def _without_kl(model, x):
    return -_terms(model, x)[0].mean()


def _per_pixel(model, x):
    log_px_z, kl = _terms(model, x)
    return (kl - log_px_z / x.shape[1]).mean()


SUMMED = "the loss is summed over the batch; it is the mean over the images"
NO_KL = "the KL is missing: this is minus the reconstruction term"
PER_PIXEL = "the reconstruction is averaged over the pixels while the KL is summed"

TRAIN = Question(
    "set-a-train",
    "train",
    minutes=30,
    checks=(
        values(
            "the loss before the first step",
            _one_batch(1),
            _descent(),
            mistakes=(
                (SUMMED, _descent(shown=_summed)),
                (NO_KL, _descent(shown=_without_kl)),
                (PER_PIXEL, _descent(shown=_per_pixel)),
                ("this is the loss after the step; note it before", _after),
            ),
            points=2,
            rtol=1e-3,
        ),
        values(
            "the losses of four steps downhill",
            _one_batch(4),
            _descent(),
            mistakes=(
                (SUMMED, _descent(_summed, _summed)),
                ("the steps follow the sum over the batch, not the mean", _descent(_summed)),
                (NO_KL, _descent(_without_kl, _without_kl)),
                (PER_PIXEL, _descent(_per_pixel, _per_pixel)),
                ("the steps go uphill: the loss is to fall", _descent(direction=-1.0)),
                ("the gradients pile up: clear them before every step", _descent(kept=1.0)),
                ("nothing is learnt: the weights never change", _descent(direction=0.0)),
                ("these are the losses after the steps; note each before its step", _after),
            ),
            points=5,
            rtol=1e-3,
        ),
    ),
    uses={"elbo": USES + "elbo"},
)


def _uneven(generator):
    return tiny(generator, SHARP), [binary(generator, rows) for rows in (7, 4, 1)]


def _values_of(made, batches):
    """The ELBO of every image, batch by batch."""
    model = made.build()
    with torch.no_grad():
        pairs = [_terms(model, x) for x in batches]
    return [log_px_z - kl for log_px_z, kl in pairs]


def _evaluated(summary):
    return lambda made, batches: summary(_values_of(made, batches), batches[0].shape[1]).item()


EVALUATE = Question(
    "set-a-evaluate",
    "evaluate",
    minutes=15,
    checks=(
        values(
            "three batches of 7, 4 and 1 images",
            _uneven,
            _evaluated(lambda v, pixels: torch.cat(v).mean()),
            mistakes=(
                (
                    "this is the mean of the batch means: the last, small batch weighs too much",
                    _evaluated(lambda v, pixels: torch.stack([b.mean() for b in v]).mean()),
                ),
                (
                    "the sum is divided by the number of batches, not of images",
                    _evaluated(lambda v, pixels: torch.cat(v).sum() / len(v)),
                ),
                (
                    "batch means are added up and divided by the number of images",
                    _evaluated(lambda v, pixels: sum(b.mean() for b in v) / len(torch.cat(v))),
                ),
                (
                    "only the last batch counts",
                    _evaluated(lambda v, pixels: v[-1].mean()),
                ),
                (
                    "this is nats per pixel; nats per image are wanted",
                    _evaluated(lambda v, pixels: torch.cat(v).mean() / pixels),
                ),
                (
                    "this is the loss, minus the ELBO: the ELBO goes up",
                    _evaluated(lambda v, pixels: -torch.cat(v).mean()),
                ),
            ),
            points=5,
        ),
    ),
    uses={"elbo": USES + "elbo"},
)
