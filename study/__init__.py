"""The study: plan, runner, and what notebooks compute (01: exploration; 02 to 04: layers,
boundaries, gallery, comparison, attention; 05: halving, effects; 06: comparison, corruptions)."""
