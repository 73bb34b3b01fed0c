"""Sums over ranks, which are processes that reach each other's memory: all of them on one GPU, where they take turns, or on the
emulator. Data and guards as in test_kernels.py."""
import ctypes
import multiprocessing
import random
import time
import traceback
import unittest

import numpy as np

from driver import Device
from test_kernels import GUARD, SEED, image

MOST_RANKS, BLOCKS, THREADS, SLOTS_AT, SLOT_BYTES = 8, 32, 512, 4096, 1 << 20
SECOND = 10 ** 9
F = np.float32


class Ranks(ctypes.Structure):
    _fields_ = [("places", ctypes.c_uint64 * MOST_RANKS), ("stopped", ctypes.c_uint64), ("limit", ctypes.c_int64),
                ("slot_bytes", ctypes.c_int64), ("rank", ctypes.c_int), ("size", ctypes.c_int)]


class Columns(ctypes.Structure):
    _fields_ = [("start", ctypes.c_int * (MOST_RANKS + 1))]


class Rank:
    """What one process does: says what its place is called, hears of all, and runs what it is told."""

    def __init__(self, rank, size, limit, pipe):
        self.device = Device(image())
        self.rank, self.size = rank, size
        place = self.device.put(np.zeros(SLOTS_AT + 2 * size * SLOT_BYTES, np.uint8))
        pipe.send(self.device.handle(place))
        handles = pipe.recv()
        places = [place if other == rank else self.device.open(handles[other]) for other in range(size)]
        stopped = ctypes.c_void_p()
        self.device.call("cuMemHostAlloc", ctypes.byref(stopped), ctypes.c_size_t(4), 0)
        self.stopped = ctypes.c_int.from_address(stopped.value)
        self.stopped.value = 0
        self.told = Ranks((ctypes.c_uint64 * MOST_RANKS)(*places), stopped.value, limit, SLOT_BYTES, rank, size)

    def launch(self, kernel, *arguments):
        self.device.launch("skein_" + kernel, (BLOCKS,), THREADS, self.told, *arguments, overlap=True)

    def guarded(self, values):
        return self.device.put(np.concatenate([values.ravel(), np.full(GUARD, np.nan, F)]))

    def read(self, at, count):
        got = self.device.get(at, count + GUARD, F)
        assert np.isnan(got[count:]).all(), "wrote behind its output"
        return got[:count]


def parts(seed, launch, size, shapes):
    """What each rank brings to a launch: all know of all."""
    generator = np.random.default_rng((seed, launch))
    return [(generator.standard_normal(shapes[rank]) * 10. ** generator.integers(-3, 3)).astype(F) for rank in range(size)]


def sums_and_columns(rank, seed):
    """Launches of many sizes, of which nobody knows when another rank comes."""
    lengths = random.Random(seed)
    delays = random.Random(f"{seed} {rank.rank}")
    for launch in range(24):
        if delays.random() < 0.3:
            time.sleep(delays.random() / 100)
        if launch % 4 < 3:
            fours = lengths.choice([1, 3, 144, 1024, BLOCKS * THREADS, SLOT_BYTES // 16, lengths.randint(1, SLOT_BYTES // 16)])
            brought = parts(seed, launch, rank.size, [4 * fours] * rank.size)
            at = rank.guarded(brought[rank.rank])
            rank.launch("all_reduce", at, np.int64(fours))
            expected = brought[0].copy()
            for other in brought[1:]:
                expected += other
            np.testing.assert_array_equal(rank.read(at, 4 * fours), expected, f"launch {launch}, {fours} fours")
        else:
            rows = lengths.randint(1, 40)
            widths = [lengths.randint(1, 3000) for _ in range(rank.size)]
            brought = parts(seed, launch, rank.size, [(rows, width) for width in widths])
            starts = [sum(widths[:i]) for i in range(rank.size + 1)]
            columns = Columns((ctypes.c_int * (MOST_RANKS + 1))(*starts))
            whole = rank.guarded(np.full((rows, starts[-1]), np.nan, F)) if rank.rank == 0 else 0
            rank.launch("gather_columns", columns, rank.guarded(brought[rank.rank]), whole, np.int32(rows))
            if rank.rank == 0:
                expected = np.concatenate(brought, axis=1)
                np.testing.assert_array_equal(rank.read(whole, expected.size), expected.ravel(), f"launch {launch}, {widths} columns")
        rank.device.call("cuCtxSynchronize")
        assert rank.stopped.value == 0, f"launch {launch} gave up waiting for rank {rank.stopped.value - 1}"
    return "ok"


def missing(rank, seed):
    """The last rank makes no second launch: the others say so after their limit, and do not wait again."""
    at = rank.device.put(np.ones(64, F))
    rank.launch("all_reduce", at, np.int64(16))
    rank.device.call("cuCtxSynchronize")
    if rank.rank == rank.size - 1:
        return "ok"
    begun = time.monotonic()
    for _ in range(20):
        rank.launch("all_reduce", at, np.int64(16))
    rank.device.call("cuCtxSynchronize")
    assert rank.stopped.value == rank.size, f"said {rank.stopped.value}"
    assert time.monotonic() - begun < 20, "waited anew in each launch"
    return "ok"


def run(work, rank, size, limit, seed, pipe):
    try:
        pipe.send(work(Rank(rank, size, limit, pipe), seed))
        pipe.recv()  # nobody's memory goes before all are done
    except BaseException:
        pipe.send(traceback.format_exc())


class RanksTest(unittest.TestCase):
    def together(self, work, size, limit):
        context = multiprocessing.get_context("spawn")
        pipes, processes = [], []
        for rank in range(size):
            mine, theirs = context.Pipe()
            processes.append(context.Process(target=run, args=(work, rank, size, limit, SEED, theirs), daemon=True))
            pipes.append(mine)
        try:
            for process in processes:
                process.start()
            handles = [self.said(pipe) for pipe in pipes]
            self.assertTrue(all(isinstance(handle, bytes) for handle in handles), handles)
            for pipe in pipes:
                pipe.send(handles)
            said = [self.said(pipe) for pipe in pipes]
            self.assertTrue(all(each == "ok" for each in said), "\n".join([f"seed {SEED}", *said]))
            for pipe in pipes:
                pipe.send("done")
            for process in processes:
                process.join()
        finally:
            for process in processes:
                process.kill()

    def said(self, pipe):
        return pipe.recv() if pipe.poll(120) else "nothing within two minutes"

    def test_two(self):
        self.together(sums_and_columns, 2, 60 * SECOND)

    def test_three(self):
        self.together(sums_and_columns, 3, 60 * SECOND)

    def test_one_does_not_come(self):
        self.together(missing, 2, SECOND)


if __name__ == "__main__":
    unittest.main()
