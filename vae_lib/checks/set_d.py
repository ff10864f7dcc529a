"""Checks of problem set D, find and fix: eight broken VAEs, two questions each.

The first question of a pair predicts what the mistake does, the second mends it.
"""

from .set_d_bounds import BOUND, FLATTERY, LOST, TEST
from .set_d_draws import DRAW, GRADIENT, PATH, PRICES
from .set_d_losses import NATS, SIGMA, UNDERCHARGED, WEIGHT
from .set_d_pixels import FLOOR, LOGITS, PIXELS, SLOPE

LIBRARY = False  # the answers need torch alone

QUESTIONS = (
    *(WEIGHT, NATS),
    *(PRICES, DRAW),
    *(FLATTERY, TEST),
    *(LOST, BOUND),
    *(SLOPE, PIXELS),
    *(FLOOR, LOGITS),
    *(GRADIENT, PATH),
    *(UNDERCHARGED, SIGMA),
)
