"""Devices: keeping freed memory, seen by the page faults of a process that frees and asks again."""

import os
import subprocess
import sys

import pytest

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


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts page faults of Linux")
def test_kept_memory_is_used_again_without_page_faults():
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "GLIBC_"))}
    command = [sys.executable, "-c", PROBE]
    returned, kept = subprocess.check_output(command, env=environment, text=True).split()
    if kept == "False":
        pytest.skip("the C library is not glibc")
    assert int(kept) < 200 < 0.2 * int(returned)
