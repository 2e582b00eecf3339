"""Devices: which is taken; memory that is kept, by the page faults of a process that asks again."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from seglib.devices import choose_device, inference_precision
from seglib.errors import ConfigError

PROBE = """
import resource
import torch
from seglib.devices import keep_memory
def faults():
    for _ in range(6):  # until the heap has found its size
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(4):
            torch.ones(8 * 2**20)  # 32 MiB: 8192 pages
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(faults(), keep_memory() and faults())
"""


def test_the_fastest_device_and_precision_there_are_are_taken(monkeypatch):
    for cuda, mps, expected in ((2, True, "cuda"), (0, True, "mps"), (0, False, "cpu")):
        monkeypatch.setattr(torch.cuda, "device_count", lambda count=cuda: count)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda there=mps: there)
        assert choose_device().type == expected
    with pytest.raises(ConfigError, match="'cuda' is not available here; this machine has: cpu"):
        choose_device("cuda")
    cpu = torch.device("cpu")
    for native, expected in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda has=native: has)
        assert inference_precision("bf16", cpu) == expected


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's settings")
def test_kept_memory_is_used_again_without_page_faults():
    huge = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if huge.exists() and "[always]" in huge.read_text():
        pytest.skip("huge pages: few faults either way")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "GLIBC_"))}
    command = [sys.executable, "-c", PROBE]
    returned, kept = subprocess.check_output(command, env=environment, text=True).split()
    assert int(kept) < 200 < 0.2 * int(returned)
