"""How long one prediction takes on a CPU."""

import time
from typing import Any

import numpy as np
import torch
from torch import nn

from seglib.devices import autocast, memory_format

CPU, REPEATS = torch.device("cpu"), 25


@torch.inference_mode()
def latency(model: nn.Module, size: tuple[int, int], precision: str = "fp32") -> dict[str, Any]:
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
            for _ in range(REPEATS):
                start = time.process_time()
                model(image)
                times.append(time.process_time() - start)
    finally:
        torch.set_num_threads(threads)
    low, median, high = (round(float(each), 5) for each in np.quantile(times, [0.25, 0.5, 0.75]))
    return {"median": median, "low": low, "high": high, "repeats": REPEATS}
