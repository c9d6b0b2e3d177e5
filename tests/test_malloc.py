"""Freed memory is kept inside the block, and handed back after it."""

import platform
import subprocess
import sys

import pytest

KEEPING = """
import os, resource
from gridcnn.training.malloc import keep_freed_memory

BLOCK = 64 * 2**20

def faults_of_five_blocks():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        b"x" * BLOCK
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

start = resident()
print(faults_of_five_blocks())
with keep_freed_memory():
    b"x" * BLOCK
    print(faults_of_five_blocks())
    print((resident() - start) / BLOCK)
print((resident() - start) / BLOCK)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library decides for itself")
def test_freed_memory_is_used_again_without_asking_the_kernel_and_handed_back_in_the_end():
    ran = subprocess.run([sys.executable, "-c", KEEPING], check=True, capture_output=True, text=True)
    usual, kept, blocks_inside, blocks_after = map(float, ran.stdout.split())
    assert kept < usual / 100
    assert blocks_inside > 0.9
    assert blocks_after < 0.1


def test_another_c_library_is_left_alone(monkeypatch):
    from gridcnn.training import malloc

    monkeypatch.setattr(malloc.ctypes, "CDLL", lambda name: object())
    with malloc.keep_freed_memory():
        ran = True
    assert ran
