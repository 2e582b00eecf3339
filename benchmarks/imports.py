"""Time to import: what a command, a notebook and a worker process wait for first."""

import subprocess
import sys

from .measuring import Comparison, interleave, seconds

WAYS = {
    "seglib.training": "import seglib.training",
    "torch, torchvision, accelerate alone": "import torch, torchvision, accelerate",
    "smp and Lightning": "import segmentation_models_pytorch, lightning",
    "seglib": "import seglib",
}


def measure(repetitions: int) -> list[Comparison]:
    """Seconds of fresh processes, the interpreter's start included."""
    commands = [[sys.executable, "-c", code] for code in WAYS.values()]
    times = interleave(
        repetitions,
        *(
            lambda command=command: seconds(lambda: subprocess.run(command, check=True))
            for command in commands
        ),
    )
    training, floor, peers, package = times
    return [
        Comparison(
            f"Import of {WAYS['seglib.training'].removeprefix('import ')}",
            *("s", "lower", training, "what training needs", peers, "smp and Lightning"),
        ),
        Comparison(
            "Import of seglib.training beside its libraries",
            *("s", "lower", training, "seglib.training", floor, "torch, torchvision, accelerate"),
            why="The rest is pandas, the optimiser's and the data loader's modules, and our own.",
        ),
        Comparison("Import of seglib", "s", "lower", package, "the package alone"),
    ]
