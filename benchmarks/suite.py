"""How long README's two commands take, once everything is installed."""

import subprocess

from seglib.errors import SeglibError

from .measuring import FOLDER, Comparison, seconds

COMMANDS = {
    "make": "data, notebooks, figures, tables, report, page",
    "make test": "tests, then the notebooks again, outputs compared",
}


def measure(repetitions: int) -> list[Comparison]:
    """Minutes of `make` and of `make test`."""
    rows = []
    for command, what in COMMANDS.items():

        def run(command: str = command) -> None:
            done = subprocess.run(command.split(), cwd=FOLDER.parent, stdout=subprocess.DEVNULL)
            if done.returncode:
                raise SeglibError(f"`{command}` fails")

        minutes = [seconds(run) / 60 for _ in range(repetitions)]
        rows.append(Comparison(f"`{command}`", "min", "lower", minutes, what))
    return rows
