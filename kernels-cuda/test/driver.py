"""The CUDA driver API as far as the tests need it, by ctypes: libcuda, or the emulator where SKEIN_LIBCUDA names it."""
import ctypes
import os

import numpy as np


class Launch(ctypes.Structure):
    _fields_ = [("grid", ctypes.c_uint * 3), ("block", ctypes.c_uint * 3), ("shared", ctypes.c_uint),
                ("stream", ctypes.c_void_p), ("attributes", ctypes.c_void_p), ("count", ctypes.c_uint)]


class Attribute(ctypes.Structure):
    _fields_ = [("id", ctypes.c_int), ("padding", ctypes.c_int), ("value", ctypes.c_uint * 16)]


PROGRAMMATIC_STREAM_SERIALIZATION = 6
CLUSTER_DIMENSION = 4
MAX_DYNAMIC_SHARED = 8


class Map:
    """A CUtensorMap of bf16, or of 32-bit words: a matrix's dimensions and a part's, innermost first, and strides in bytes."""

    def __init__(self, device, at, dimensions, strides, part, swizzled, words=False):
        self.memory = ctypes.create_string_buffer(192)
        self.address = -(-ctypes.addressof(self.memory) // 64) * 64
        rank = len(dimensions)
        longs = lambda values: (ctypes.c_uint64 * len(values))(*values)
        ints = lambda values: (ctypes.c_uint32 * len(values))(*values)
        uint32, bf16, swizzle_128, promote_256 = 2, 9, 3, 3
        device.call("cuTensorMapEncodeTiled", ctypes.c_void_p(self.address), uint32 if words else bf16, rank, ctypes.c_void_p(at), longs(dimensions),
                    longs(strides), ints(part), ints([1] * rank), 0, swizzle_128 if swizzled else 0, promote_256, 0)

    @staticmethod
    def weight(device, at, row_tiles, k_tiles):
        return Map(device, at, (256, k_tiles, row_tiles), (512, 512 * k_tiles), (256, 4, 8), False)

    @staticmethod
    def four_bits(device, at, row_tiles, groups):
        return Map(device, at, (160, groups, row_tiles), (640, 640 * groups), (160, 1, 8), False, words=True)

    @staticmethod
    def rows(device, at, rows, columns, part_rows):
        return Map(device, at, (columns, rows), (2 * columns,), (64, part_rows), True)


class MemoryHandle(ctypes.Structure):
    """A CUipcMemHandle."""
    _fields_ = [("bytes", ctypes.c_ubyte * 64)]


class Device:
    """One device with the kernels of a fatbin. Arrays passed to `put` are copied up; `get` copies down."""

    def __init__(self, image, stream=None):
        self.emulated = "SKEIN_LIBCUDA" in os.environ
        self.cuda = ctypes.CDLL(os.environ.get("SKEIN_LIBCUDA", "libcuda.so.1"))
        self.check("cuInit", self.cuda.cuInit(0))
        self.context = ctypes.c_void_p()
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(self.context), 0)
        self.call("cuCtxSetCurrent", self.context)
        self.stream = ctypes.c_void_p(stream)
        self.library = ctypes.c_void_p()
        self.image = image
        self.call("cuLibraryLoadData", ctypes.byref(self.library), self.image, None, None, 0, None, None, 0)
        self.functions = {}
        self.owned = []
        self.meeting = None

    def call(self, name, *arguments):
        self.check(name, getattr(self.cuda, name)(*arguments))

    def check(self, name, status):
        if status != 0:
            text = ctypes.c_char_p()
            self.cuda.cuGetErrorName(status, ctypes.byref(text))
            raise RuntimeError(f"{name}: {status} {text.value}")

    def function(self, name):
        if name not in self.functions:
            kernel, function = ctypes.c_void_p(), ctypes.c_void_p()
            self.call("cuLibraryGetKernel", ctypes.byref(kernel), self.library, name.encode())
            self.call("cuKernelGetFunction", ctypes.byref(function), kernel)
            self.functions[name] = function
        return self.functions[name]

    def has(self, name):
        kernel = ctypes.c_void_p()
        return self.cuda.cuLibraryGetKernel(ctypes.byref(kernel), self.library, name.encode()) == 0

    def attribute(self, name, which):
        value = ctypes.c_int()
        self.call("cuFuncGetAttribute", ctypes.byref(value), which, self.function(name))
        return value.value

    def allocate(self, size):
        at = ctypes.c_uint64()
        self.call("cuMemAlloc_v2", ctypes.byref(at), ctypes.c_size_t(max(size, 1)))
        self.owned.append(at.value)
        return at.value

    def meeting_place(self):
        """What the products of equal shares take besides: parts, for any of them, and counts, which are zeros between launches."""
        if self.meeting is None:
            sizes = (MULTIPROCESSORS * 1024 * 256, MULTIPROCESSORS * 2 * 32)
            self.meeting = [self.allocate(size) for size in sizes]
            for at, size, value in zip(self.meeting, sizes, (0xff, 0)):
                self.owned.remove(at)
                self.call("cuMemsetD8Async", ctypes.c_uint64(at), ctypes.c_ubyte(value), ctypes.c_size_t(size), self.stream)
            self.call("cuCtxSynchronize")
        return self.meeting

    def handle(self, at):
        """By which another process may open memory that is a whole allocation of some MiB."""
        handle = MemoryHandle()
        self.call("cuIpcGetMemHandle", ctypes.byref(handle), ctypes.c_uint64(at))
        return bytes(handle.bytes)

    def open(self, handle):
        """Memory of another process, until this one ends."""
        at = ctypes.c_uint64()
        lazy_peer_access = 1
        self.call("cuIpcOpenMemHandle_v2", ctypes.byref(at), MemoryHandle.from_buffer_copy(handle), lazy_peer_access)
        return at.value

    def put(self, array):
        array = np.ascontiguousarray(array)
        at = self.allocate(array.nbytes)
        self.call("cuMemcpyHtoDAsync_v2", ctypes.c_uint64(at), array.ctypes.data_as(ctypes.c_void_p),
                  ctypes.c_size_t(array.nbytes), self.stream)
        self.call("cuCtxSynchronize")
        return at

    def poisoned(self, shape, dtype):
        """Memory whose every byte is 0xff: NaN, so that what a kernel leaves out shows."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        at = self.allocate(size)
        self.call("cuMemsetD8Async", ctypes.c_uint64(at), ctypes.c_ubyte(0xff), ctypes.c_size_t(size), self.stream)
        return at

    def get(self, at, shape, dtype):
        out = np.empty(shape, dtype)
        self.call("cuCtxSynchronize")
        self.call("cuMemcpyDtoHAsync_v2", out.ctypes.data_as(ctypes.c_void_p), ctypes.c_uint64(at),
                  ctypes.c_size_t(out.nbytes), self.stream)
        self.call("cuCtxSynchronize")
        return out

    def free(self):
        self.call("cuCtxSynchronize")
        for at in self.owned:
            self.call("cuMemFree_v2", ctypes.c_uint64(at))
        self.owned.clear()

    def launch(self, name, grid, block, *arguments, shared=0, overlap=False, cluster=1):
        """Arguments: int is a 64-bit address; np.int32, np.int64, np.float32, Map and structures are what they are."""
        function = self.function(name)
        if shared > 24576:  # static shared memory counts, too, towards the 48 KB that need not be asked for
            self.call("cuFuncSetAttribute", function, MAX_DYNAMIC_SHARED, shared)
        held = [a if isinstance(a, (Map, ctypes.Structure)) else ctypes.c_uint64(a) if isinstance(a, int) else
                {np.int32: ctypes.c_int, np.int64: ctypes.c_int64, np.float32: ctypes.c_float}[type(a)](a.item())
                for a in arguments]
        pointers = (ctypes.c_void_p * len(held))(*[a.address if isinstance(a, Map) else ctypes.addressof(a) for a in held])
        grid = tuple(grid) + (1,) * (3 - len(grid))
        wanted = [(PROGRAMMATIC_STREAM_SERIALIZATION, (1,))] if overlap else []
        wanted += [(CLUSTER_DIMENSION, (cluster, 1, 1))] if cluster > 1 else []
        attributes = (Attribute * 2)(*[Attribute(which, 0, (ctypes.c_uint * 16)(*value)) for which, value in wanted])
        launch = Launch((ctypes.c_uint * 3)(*grid), (ctypes.c_uint * 3)(block, 1, 1), shared, self.stream,
                        ctypes.cast(attributes, ctypes.c_void_p) if wanted else None, len(wanted))
        self.call("cuLaunchKernelEx", ctypes.byref(launch), function, pointers, None)


MULTIPROCESSORS = 132  # of an H100 or H200; any number gives the same result


STAGES = {"skinny": {16: 6, 32: 5, 64: 4, 128: 6}, "wide": {16: 11, 32: 10, 64: 8, 128: 6, 192: 5}, "flat": {256: 4},
          "even": {16: 11, 32: 10, 64: 8, 128: 6, 256: 4}}
STAGES_OF_FOUR_BITS = {"skinny": {16: 12, 32: 10, 64: 7}, "wide": {128: 9}, "flat": {256: 5},
                       "even": {8: 18, 16: 15, 32: 12, 64: 16, 128: 10, 256: 6}}
OUTLET = 34304  # shared memory through which the sums of a flat kernel go


def beside(size, four):
    """How many blocks of an even kernel share a multiprocessor."""
    return 2 if four and size <= 32 else 1


def cluster_of(rows, made, stages, blocks, four):
    """How many blocks a tile of an even kernel has to itself, as CudaHopperMatmul chooses."""
    if 4 * made <= blocks:
        return 3 if stages >= 3 and rows * 0.1 > stages * (0.07 if four else 0.036) else 1
    return 2 if 2 * made <= blocks and stages >= 2 else 1


def sharing(made, stages, blocks):
    """How many blocks share all tiles of an even kernel, as CudaHopperMatmul chooses."""
    alike = blocks // made * made
    return min(made * stages, alike if 10 * alike >= 9 * blocks else blocks)


def multiply(device, kernel, weight, x, out, rows, row_tiles, k_tiles, tokens, mode, overlap=False, blocks=MULTIPROCESSORS,
             cluster=None):
    """Launches skein_KERNEL; blocks: at most so many, of those whose grid may be any; cluster: of those that choose it, in place of it."""
    up = lambda n, unit: -(-n // unit)
    family, *of, size = kernel.split("_")
    four = of != []
    size = 128 if size == "many" else int(size)
    if family == "matmul":
        grid, block, shared = (up(tokens, size), up(row_tiles, 1 if four or size <= 16 else 2)), 256, 0
        if kernel == "matmul_many":
            grid, block, shared = (up(tokens, size), up(row_tiles, 8)), 512, 65536
    else:
        stages = (STAGES_OF_FOUR_BITS if four else STAGES)[family][size]
        shared = stages * ((5120 if four else 16384) + 16 + 128 * size) + 1024
        made = up(tokens, size) * up(row_tiles, 8)
        grid, block = (8, up(row_tiles, 8), up(tokens, size)), 288
        if family != "skinny":
            grid, block = (min(blocks, made),), 384
        if family == "flat":
            shared += OUTLET
        if family == "even":
            stages = up(k_tiles, 4)
            blocks *= beside(size, four)
            cluster = cluster or cluster_of(size, made, stages, blocks, four)
            grid = (made * cluster if cluster > 1 else sharing(made, stages, blocks),)
        weight = Map.four_bits(device, weight, row_tiles, up(k_tiles, 4)) if four else Map.weight(device, weight, row_tiles, k_tiles)
        x = Map.rows(device, x, tokens, 16 * k_tiles, size)
    numbers = [np.int32(n) for n in ([rows] if family == "matmul" and four else [rows, row_tiles]) + [k_tiles, tokens, mode]]
    device.launch("skein_" + kernel, grid, block, weight, x, out, *numbers, *(device.meeting_place() if family == "even" else ()),
                  shared=shared, overlap=overlap, cluster=cluster or 1)


def experts(device, kernel, weight, x, out, rows, row_tiles, columns, tokens, count, start, listed, share, mode, overlap=False):
    """Launches skein_experts_*: `start` and `listed` are what skein_list made of the tokens' choices."""
    of_tokens = int(kernel.split("_")[1])
    grid = (-(-tokens // of_tokens), -(-row_tiles // (1 if of_tokens == 8 else 2)), count)
    numbers = [np.int32(n) for n in (rows, row_tiles, columns // 16)]
    device.launch("skein_" + kernel, grid, 256, weight, x, out, *numbers, start, listed, np.int32(share), np.int32(mode), overlap=overlap)


def grouped(device, kernel, weight, x, out, rows, row_tiles, columns, slots, count, start, listed, mode, overlap=False):
    """Launches skein_grouped_*, on rows that lie by expert."""
    size = int(kernel.split("_")[-1])
    shared = {16: 11, 32: 10, 64: 8, 128: 6, 256: 4}[size] * (16384 + 16 + 128 * size) + 1024
    device.launch("skein_" + kernel, (MULTIPROCESSORS,), 384, Map.weight(device, weight, count * row_tiles, columns // 16),
                  Map.rows(device, x, slots, columns, size), out, np.int32(rows), np.int32(row_tiles), np.int32(columns // 16), start,
                  np.int32(count), listed, np.int32(mode), shared=shared, overlap=overlap)


def to_bf16(x):
    """Rounded to nearest, ties to even: 16-bit patterns."""
    u = np.asarray(x, np.float32).view(np.uint32).astype(np.uint64)
    return ((u + 0x7FFF + (u >> 16 & 1)) >> 16).astype(np.uint16)


def from_bf16(bits):
    return (np.asarray(bits, np.uint16).astype(np.uint32) << 16).view(np.float32)


def rounded(x):
    return from_bf16(to_bf16(x))


def tiles(matrix):
    """16 x 16 tiles in the order of skein.cuh, of bit patterns; rows are filled up with zeros to whole tiles."""
    rows, columns = matrix.shape
    full = np.zeros((-(-rows // 16) * 16, columns), np.uint16)
    full[:rows] = matrix
    t = full.reshape(full.shape[0] // 16, 2, 8, columns // 16, 2, 4, 2)  # row tile, r8, g, column tile, c8, t, c
    return np.ascontiguousarray(t.transpose(0, 3, 2, 5, 4, 1, 6))        # lane = g, t; then c8, r8, c
