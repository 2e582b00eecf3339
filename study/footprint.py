"""What one prediction takes on a CPU: seconds, and bytes held at once."""

import time
import weakref
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from seglib.devices import autocast, memory_format

REPEATS = 25
SECONDS = 20.0  # after so many no further repetition begins


class _LiveBytes(TorchDispatchMode):
    """Adds up the bytes of all tensors alive at once, and keeps the largest sum."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = self.peak = 0
        self._known: dict[int, weakref.ref] = {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self.count(tensor)
        self.peak = max(self.peak, self.bytes)
        return result

    def count(self, tensor: torch.Tensor) -> None:
        """Count a tensor's memory from now until nothing refers to it; views count once."""
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return

        def forget(_) -> None:
            del self._known[key]
            self.bytes -= size

        self._known[key] = weakref.ref(storage, forget)
        self.bytes += size


@torch.inference_mode()
def peak_bytes(model: nn.Module, size: tuple[int, int], precision: str = "fp32") -> int:
    """The most bytes that weights and intermediate results of one prediction hold at once.

    Counted over all tensors of the forward pass of one float32 image (1, 3, H, W) of `size`
    (H, W), so it is the same on every machine; scratch memory within an operation is not counted.
    """
    model = model.to("cpu", memory_format=memory_format(torch.device("cpu"))).eval()
    live = _LiveBytes()
    for tensor in (*model.parameters(), *model.buffers()):
        live.count(tensor)
    with live, autocast(precision, torch.device("cpu")):
        image = torch.zeros(1, 3, *size)
        model(image)
    return live.peak


@torch.inference_mode()
def latency(
    model: nn.Module,
    size: tuple[int, int],
    precision: str = "fp32",
    repeats: int = REPEATS,
    seconds: float = SECONDS,
) -> dict[str, Any]:
    """Processor seconds of one forward pass of one image on one thread of the CPU.

    Processor time instead of the clock's, so that other work on the machine weighs less.

    Returns:
        `median`, `low` and `high` (the quartiles) in seconds, and the number of `repeats`: fewer
        than asked for where `seconds` are over.
    """
    device = torch.device("cpu")
    model = model.to(device, memory_format=memory_format(device)).eval()
    image = torch.zeros(1, 3, *size).to(memory_format=memory_format(device))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    times: list[float] = []
    begin = time.monotonic()
    try:
        with autocast(precision, device):
            model(image)  # the first pass also prepares memory and kernels
            while len(times) < repeats and (not times or time.monotonic() - begin < seconds):
                start = time.process_time()
                model(image)
                times.append(time.process_time() - start)
    finally:
        torch.set_num_threads(threads)
    low, median, high = np.quantile(times, [0.25, 0.5, 0.75])
    return {
        "median": round(float(median), 5),
        "low": round(float(low), 5),
        "high": round(float(high), 5),
        "repeats": len(times),
    }
