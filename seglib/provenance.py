"""What a result came from: commit, results version, library versions, processor."""

import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

RESULTS_VERSION = 1
"""Raised by hand when a change of the code changes what a recorded run would score.

Whether it still holds is shown by doing: `seglib verify RUN` trains a run's first epochs again, and
tests/training/test_reproduction.py one tiny recorded run per architecture.
"""


def commit() -> str | None:
    """The checkout's commit, with "-dirty" after it if files differ; None outside of a checkout."""
    command = ["git", "describe", "--always", "--abbrev=12", "--dirty", "--exclude=*"]
    try:
        found = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip() or None


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries whose arithmetic enters a result."""
    libraries = ("torch", "torchvision", "accelerate", "numpy", "pillow")
    return {"python": platform.python_version()} | {
        library: metadata.version(library) for library in libraries
    }


def describe_machine(device) -> dict[str, Any]:
    """Device, processor and number of threads, without anything that names the machine."""
    import torch

    if device.type == "cuda":
        processor = torch.cuda.get_device_name(device)
    else:
        processor = platform.processor() or platform.machine()
        cpuinfo = Path("/proc/cpuinfo")
        if cpuinfo.exists():
            models = [line for line in cpuinfo.read_text().splitlines() if "model name" in line]
            processor = models[0].partition(":")[2].strip() if models else processor
    return {
        "device": device.type,
        "processor": processor,
        "threads": torch.get_num_threads(),
        "system": platform.system(),
    }
