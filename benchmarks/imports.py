"""Time to import: what a command, a notebook and a worker process wait for first."""

import subprocess
import sys

from .measuring import Comparison, interleave, seconds

WAYS = {
    "seglib.training": "import seglib.training, timm",
    "libraries": "import torch, torchvision, accelerate",
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
            "Import of what training needs",
            *("s", "lower", training, "seglib.training and timm"),
            *(peers, "segmentation_models_pytorch, Lightning"),
        ),
        Comparison(
            "Of this, its libraries", "s", "lower", floor, "torch, torchvision, accelerate"
        ),
        Comparison("Import of seglib", "s", "lower", package, "the package alone"),
    ]
