"""Devices: keeping freed memory, seen by the page faults of a process that frees and asks again."""

import os
import subprocess
import sys

import pytest

PROBE = """
import resource, sys
import torch
from seglib.devices import keep_memory
if sys.argv[1] == "keep":
    keep_memory() or sys.exit()
def step():
    for _ in range(4):
        torch.ones(8 * 2**20)  # 32 MiB: 8192 pages
for _ in range(5):  # until the heap has found its size
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(how: str) -> str:
    """What the probe prints: a number, or nothing where the C library is another."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "GLIBC_"))}
    command = [sys.executable, "-c", PROBE, how]
    options = {"capture_output": True, "text": True, "check": True}
    return subprocess.run(command, env=environment, **options).stdout.strip()


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts page faults of Linux")
def test_kept_memory_is_used_again_without_page_faults():
    kept = page_faults("keep")
    if not kept:
        pytest.skip("the C library is not glibc")
    assert int(kept) < 200 < 0.2 * int(page_faults("return"))
