"""Batches of rows, and what the system is told of them."""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np
import pytest

from gridcnn.pipeline import prefetch
from gridcnn.pipeline.prefetch import batches

ROWS, ROW = 40, 1_000  # bytes
ORDER = [np.array([30, 2, 17]), np.array([3, 4, 5, 39]), np.array([8])]


@pytest.fixture
def array() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (ROWS, ROW), dtype=np.uint8)


@pytest.fixture
def on_disk(array: np.ndarray, tmp_path: Path) -> np.memmap:
    """The same rows behind a header, as in a file of another format."""
    (tmp_path / "rows.bin").write_bytes(b"header!" + array.tobytes())
    return np.memmap(tmp_path / "rows.bin", np.uint8, "r", offset=7, shape=(ROWS, ROW))


def test_batches_are_rows_in_the_order_asked_for(array, on_disk):
    for source in (array, on_disk, on_disk[:]):
        found = list(batches(source, iter(ORDER)))
        assert len(found) == len(ORDER)
        for batch, rows in zip(found, ORDER, strict=True):
            np.testing.assert_array_equal(batch, array[rows])
            assert batch.flags.writeable
            assert not isinstance(batch, np.memmap)


def test_nothing_asked_for_is_nothing_read(array):
    assert list(batches(array, [])) == []


@pytest.mark.skipif(not hasattr(mmap, "MADV_WILLNEED"), reason="the system cannot be told")
def test_the_next_batch_is_announced_before_a_batch_is_used(array, tmp_path, monkeypatch):
    class Map(mmap.mmap):
        def madvise(self, advice: int, start: int, length: int) -> None:
            assert start % mmap.PAGESIZE == 0
            assert start + length <= len(self)
            super().madvise(advice, start, length)
            announced.append((start, start + length))

    announced: list[tuple[int, int]] = []
    monkeypatch.setattr(mmap, "mmap", Map)
    (tmp_path / "rows.bin").write_bytes(b"header!" + array.tobytes())
    on_disk = np.memmap(tmp_path / "rows.bin", np.uint8, "r", offset=7, shape=(ROWS, ROW))
    found = batches(on_disk, iter(ORDER))
    next(found)
    ends = [7 + (row + 1) * ROW for row in (30, 2, 17, 5, 39)]  # rows 3, 4 and 5 at once
    assert [stop for _, stop in announced] == ends
    for (start, _), row in zip(announced, (30, 2, 17, 3, 39), strict=True):
        assert 0 <= 7 + row * ROW - start < mmap.PAGESIZE
    next(found)
    assert announced[-1][1] == 7 + 9 * ROW


def test_where_the_system_cannot_be_told_batches_come_all_the_same(array, on_disk, monkeypatch):
    monkeypatch.delattr(prefetch.mmap, "MADV_WILLNEED", raising=False)
    np.testing.assert_array_equal(np.concatenate(list(batches(on_disk, ORDER))), array[np.concatenate(ORDER)])
