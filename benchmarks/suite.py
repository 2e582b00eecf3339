"""How long the project's own tests and notebooks take."""

import subprocess
import sys

from seglib.errors import SeglibError
from tools.notebooks import execute

from .measuring import FOLDER, Comparison, seconds

ROOT = FOLDER.parent


def measure(repetitions: int) -> list[Comparison]:
    """Minutes of `make test`'s tests, and seconds of each notebook."""
    command = [sys.executable, "-m", "pytest", "-q"]

    def tests() -> None:
        if subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL).returncode:
            raise SeglibError("the tests fail, as `make test` shows")

    minutes = [seconds(tests) / 60 for _ in range(repetitions)]
    rows = [Comparison("All tests", "min", "lower", minutes, "pytest")]
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        took = [execute(path)[1] for _ in range(repetitions)]
        rows.append(Comparison(f"Notebook {path.stem}", "s", "lower", took, "top to bottom"))
    return rows
