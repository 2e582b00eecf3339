"""What a result came from: commit, results version, library versions, processor."""

import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

# Raised by hand when a change of the code changes what a recorded run would score. `seglib verify`
# and tests/training/test_reproduction.py show by doing whether it still holds.
RESULTS_VERSION = 1


def commit() -> str | None:
    """The checkout's commit, "-dirty" after it if files differ; None without a checkout or git."""
    root = Path(__file__).parents[1]
    if not (root / ".git").exists():  # installed: a repository around that is somebody else's
        return None
    command = ["git", "-C", root, "describe", "--always", "--abbrev=12", "--dirty", "--exclude=*"]
    try:
        return subprocess.check_output(command, text=True, stderr=subprocess.DEVNULL).strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries whose arithmetic enters a result."""
    libraries = ("torch", "torchvision", "timm", "accelerate", "numpy", "pillow")
    found = {library: metadata.version(library) for library in libraries}
    return {"python": platform.python_version()} | found


def describe_machine(device: "torch.device") -> dict[str, Any]:  # noqa: F821
    """Device, processor and number of threads, without anything that names the machine."""
    import torch  # here: records, which need the results version, do without
    if device.type == "cuda":
        processor = torch.cuda.get_device_name(device)
    else:
        cpuinfo = Path("/proc/cpuinfo")
        lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
        parts = [line.partition(":") for line in lines]
        about = {key.strip(): value.strip() for key, _, value in parts}
        processor = about.get("model name") or platform.processor() or platform.machine()
        # Virtual machines call several generations, which round differently, by one name.
        kind = [f"{key} {about[key]}" for key in ("cpu family", "model") if key in about]
        processor += f" ({', '.join(kind)})" if kind else ""
    found = {"device": device.type, "processor": processor, "threads": torch.get_num_threads()}
    return {**found, "system": platform.system()}
