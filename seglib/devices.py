"""Which device to compute on, in which precision, and with which memory."""

import ctypes
import os
from contextlib import AbstractContextManager, nullcontext

import torch

from .errors import ConfigError, choose

MALLOC_SETTINGS = {  # parameters of glibc's mallopt (malloc.h)
    -4: 0,  # M_MMAP_MAX: large blocks come from the heap, too, not from a mapping of their own
    -1: 2**31 - 1,  # M_TRIM_THRESHOLD: free memory at the heap's end stays
    -2: 64 * 2**20,  # M_TOP_PAD: it grows by 64 MiB at a time
}


def choose_device(name: str | None = None) -> torch.device:
    """The named device, or the fastest one; raises `ConfigError` if the name is not to be had."""
    cuda, mps = torch.cuda.device_count(), int(torch.backends.mps.is_available())
    counts = {"cuda": cuda, "mps": mps, "cpu": 1}  # fastest first
    available = [kind for kind, count in counts.items() if count]
    name = name or available[0]
    kind, colon, index = name.partition(":")
    refused = f"device {name!r} is not available here"
    if choose("device", kind, counts) not in available:
        raise ConfigError(f"{refused}; this machine has: {', '.join(available)}")
    if colon and not (index.isdecimal() and int(index) < counts[kind]):
        raise ConfigError(f"{refused}; the last one is {kind}:{counts[kind] - 1}")
    return torch.device(name)


def is_native(precision: str, device: torch.device) -> bool:
    """Whether `device` computes in a precision by itself; else it is imitated, which is slow."""
    if precision == "bf16" and device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if precision == "bf16" and device.type == "cpu":
        # With AVX512-BF16 or AMX convolutions run twice as fast; elsewhere bf16 is emulated.
        return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())
    return precision == "fp32" or (precision == "fp16" and device.type in ("cuda", "mps"))


def inference_precision(precision: str, device: torch.device) -> str:
    """The precision in which to use a network trained in `precision`: fp32 where it is imitated."""
    return precision if is_native(precision, device) else "fp32"


def autocast(precision: str, device: torch.device) -> AbstractContextManager:
    """The context in which a forward pass computes in a precision."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16 if precision == "bf16" else torch.float16)


def memory_format(device: torch.device) -> torch.memory_format:
    """Channels last where convolutions are faster with it (measured 1.1 to 1.4 times on CPUs)."""
    return torch.contiguous_format if device.type == "mps" else torch.channels_last


def keep_memory() -> bool:
    """Let this process keep the memory that it frees; False where the C library is not glibc.

    By default glibc gives the large blocks of a training step back to the system, which hands them
    out again one page fault after the other. Kept, a step is 5 to 20 % faster on two cores.
    """
    library = ctypes.CDLL(None) if os.name == "posix" else None
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    return all([library.mallopt(key, value) for key, value in MALLOC_SETTINGS.items()])
