"""What one prediction takes on a CPU: seconds, and bytes held at once."""

import time
from typing import Any
from weakref import WeakSet

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from seglib.devices import autocast, memory_format

CPU = torch.device("cpu")


@torch.inference_mode()
def latency(
    model: nn.Module, size: tuple[int, int], precision: str = "fp32", repeats: int = 25
) -> dict[str, Any]:
    """Processor seconds of one forward pass of one image (1, 3, H, W) on one thread of the CPU.

    Returns `median`, `low` and `high` (the quartiles) in seconds, and the number of `repeats`.
    """
    model = model.to(CPU, memory_format=memory_format(CPU)).eval()
    image = torch.zeros(1, 3, *size).to(memory_format=memory_format(CPU))
    threads, times = torch.get_num_threads(), []
    torch.set_num_threads(1)
    try:
        with autocast(precision, CPU):
            model(image)  # the first pass also prepares memory and kernels
            for _ in range(repeats):
                start = time.process_time()
                model(image)
                times.append(time.process_time() - start)
    finally:
        torch.set_num_threads(threads)
    low, median, high = (round(float(each), 5) for each in np.quantile(times, [0.25, 0.5, 0.75]))
    return {"median": median, "low": low, "high": high, "repeats": repeats}


@torch.inference_mode()
def peak_bytes(model: nn.Module, size: tuple[int, int], precision: str = "fp32") -> int:
    """The most bytes that weights and intermediate results of one prediction hold at once.

    Counted over all tensors of the forward pass of one float32 image (1, 3, H, W), so it is the
    same on every machine; scratch memory within an operation is not counted.
    """
    model = model.to(CPU, memory_format=memory_format(CPU)).eval()
    live = _LiveBytes([*model.parameters(), *model.buffers()])
    with live, autocast(precision, CPU):
        model(torch.zeros(1, 3, *size))
    return live.peak


class _LiveBytes(TorchDispatchMode):
    """Adds up the bytes of all tensors alive after each operation, and keeps the largest sum."""

    def __init__(self, tensors: list[Tensor]) -> None:
        super().__init__()
        self._alive = WeakSet(tensor.untyped_storage() for tensor in tensors)  # views count once
        self.peak = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        tensors = (leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor))
        self._alive.update(tensor.untyped_storage() for tensor in tensors)
        self.peak = max(self.peak, sum(storage.nbytes() for storage in self._alive))
        return result
