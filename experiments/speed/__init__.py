"""The parts of speedrun.py: races over seeds, epochs on the clock, and the floor under them."""
