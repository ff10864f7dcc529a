"""Checks of problem set B, a fair comparison on a new data set.

The questions stand in `set_b_split`, `set_b_data`, `set_b_nats`, `set_b_samples`,
`set_b_claims` and `set_b_verdict`.
"""

from .set_b_claims import PAIRED
from .set_b_data import INPUTS
from .set_b_nats import EVIDENCE, LIKELIHOOD
from .set_b_samples import DRAW, FRECHET
from .set_b_split import SPLIT
from .set_b_verdict import VERDICT

LIBRARY = False  # the answers need torch alone: the grader's sandbox leaves vae_lib out

QUESTIONS = (SPLIT, INPUTS, LIKELIHOOD, DRAW, EVIDENCE, FRECHET, PAIRED, VERDICT)
