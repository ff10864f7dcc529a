"""Checks of chapter 12's clinic: the answer is a word, so the hint describes a patient."""

import torch

from .engine import Check, Wrong, untouched


def _patient(kind, generator):
    """rate, eigenvalues, left, s, beta of one VAE that is ill of `kind`, or alive."""
    a, b, c = torch.rand(3, generator=generator).tolist()
    top, share = 2 + 4 * a, 0.7  # of the largest eigenvalue, for a decoder that sees little
    rate, s2, beta = 0.02 * b, top * (0.03 + 0.05 * b), 2 + 2 * c
    if kind == "noise":
        s2, beta = top * (1.5 + b), 1 + c
    if kind == "beta":
        beta = (1.5 + c) * top / s2
    if kind == "decoder":
        share = 0.7 * s2 / top
    if kind == "decoder, beta":  # beta = 1 would save the code
        share = s2 * (1 + 0.5 * (beta - 1)) / top
    if kind == "training":  # s is so small that beta s would drown the code, beta s^2 does not
        s2 = 0.04 + 0.2 * b
        beta = 1.2 * top / s2**0.5
    if kind == "alive":
        rate, s2 = 0.5 + 5 * b, top * (0.1 + 2 * c)
    # the smallest first and the largest within, for answers that rely on an order
    order = [4, *torch.randperm(3, generator=generator).tolist(), 3]
    eigenvalues = top * 0.5 ** torch.tensor(order)
    return rate, eigenvalues, share * eigenvalues, s2**0.5, beta


def _judge(rate, eigenvalues, left, s, beta, top=torch.max, power=2):
    """The order of questions at the end of section 6."""
    if rate > 0.1:
        return "alive"
    if top(eigenvalues) <= s**power:
        return "noise"
    if top(eigenvalues) <= beta * s**power:
        return "beta"
    return "decoder" if top(left) <= beta * s**power else "training"


def _swap(one, other):
    """Judges that name `other` where `one` is right."""
    return lambda *patient: other if _judge(*patient) == one else _judge(*patient)


def _rate_ignored(rate, *spectra_and_water):
    return _judge(0.0, *spectra_and_water)


def _left_against_noise(rate, eigenvalues, left, s, beta):
    judged = _judge(rate, eigenvalues, left, s, beta)
    return "training" if judged == "decoder" and left.max() > s**2 else judged


def _all_under(*patient):
    return _judge(*patient, top=torch.min)


def _not_squared(*patient):
    return _judge(*patient, power=1)


def _verdicts(title, kinds, mistakes):
    """Three patients of each kind in turn; a mistake is named if it explains every answer."""

    def run(ask, generator):
        patients = [_patient(kind, generator) for kind in kinds * 3]
        replies = [ask(*patient) for patient in patients]
        untouched(*replies)
        got = [reply.value for reply in replies]
        right = [_judge(*patient) for patient in patients]
        if got == right:
            return
        for hint, formula in mistakes:
            if got == [formula(*patient) for patient in patients]:
                raise Wrong(hint)
        worst = next(i for i, value in enumerate(got) if value != right[i])
        rate, eigenvalues, left, s, beta = patients[worst]
        raise Wrong(
            f"rate {rate:.2f}, largest eigenvalue of the images {eigenvalues.max():.2f} and of "
            f"what is left {left.max():.2f}, s = {s:.2f}, beta = {beta:.2f}: "
            f"it says {got[worst]!r}, and {right[worst]!r} is right"
        )

    return Check(title, run, mistakes=mistakes)


VERDICT = (
    _verdicts(
        "the level of the water",
        ("alive", "noise", "beta", "training"),
        (
            ("a code may live beside any spectrum: ask for the rate first", _rate_ignored),
            ("s is a standard deviation: the water stands at beta s squared", _not_squared),
            ("all is lost only if the largest eigenvalue, wherever it stands, is under the water",
             _all_under),
            ("ask whether s alone would drown the code, with beta = 1", _swap("noise", "beta")),
            ("s is innocent where the code would live at beta = 1", _swap("beta", "noise")),
        ),
    ),
    _verdicts(
        "what is left to the code",
        ("decoder", "decoder, beta", "training", "noise"),
        (
            ("what the decoder sees is left out: hold the water to the spectrum of what is left",
             _swap("decoder", "training")),
            ("beta raises the water for what is left, too", _left_against_noise),
            ("the code could live, and yet is empty: then the training is to blame",
             _swap("training", "decoder")),
        ),
    ),
)  # fmt: skip
