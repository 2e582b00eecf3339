"""Scores: one path from a photograph to classes, metrics and intervals."""
