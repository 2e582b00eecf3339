"""The study: its plan, the runner, and one module for each notebook's question."""
