"""Grading: `python -m vae_lib.grade --help`.

Answers run in a sandboxed child that sees inputs only; what is right, and the points, stay here.
"""
