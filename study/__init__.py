"""The study: plan, runner, and what notebooks compute (01: exploration; 02, 03: layers, boundaries,
gallery; 04: attention; 05: halving, effects; 06: comparison, beyond_scores and its parts)."""
