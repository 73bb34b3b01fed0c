"""Each kernel against the textbook in 64-bit floats, at odd sizes. Runs on a GPU with the fatbin that SKEIN_FATBIN names, or
on the emulator (SKEIN_LIBCUDA). Outputs are poisoned with NaN before, and have guards of NaN behind them that must stay."""
import itertools
import os
import unittest

import numpy as np

import sampling
from driver import Device, experts, from_bf16, grouped, multiply, rounded, tiles, to_bf16

SEED = int(os.environ.get("SKEIN_TEST_SEED", "1"))
GUARD = 64
FLOAT, ADD, GATED, BF16, GATED_GELU = range(5)
I, F, L = np.int32, np.float32, np.int64


def image():
    path = os.environ.get("SKEIN_FATBIN")
    if path is None:
        return b"emulated"
    with open(path, "rb") as file:
        return file.read()


class KernelTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.device = Device(image())

    def setUp(self):
        self.random = np.random.default_rng(SEED)

    def tearDown(self):
        self.device.free()

    def out(self, shape, dtype):
        """Poisoned, with a guard behind."""
        return self.device.poisoned(int(np.prod(shape)) + GUARD, dtype)

    def read(self, at, shape, dtype):
        n = int(np.prod(shape))
        got = self.device.get(at, n + GUARD, dtype)
        self.assertTrue((got[n:].view(np.uint8) == 0xFF).all(), "wrote behind its output")
        return got[:n].reshape(shape)

    def near(self, got, expected, tolerance, what):
        error = np.abs(got.astype(np.float64) - expected)
        self.assertTrue(np.isfinite(got).all(), f"{what}: not finite, seed {SEED}")
        worst = float((error / tolerance).max()) if error.size else 0
        self.assertLessEqual(worst, 1, f"{what}: {worst} times what is allowed, seed {SEED}")

    # Rows

    def test_embed_and_gather(self):
        for columns in (1, 7, 8, 33, 576, 4096):
            table = to_bf16(self.random.standard_normal((11, columns)))
            ids = np.array([10, 0, 3, 3, 9, 6, 0, 0], I)
            given = np.where(np.arange(8) < 5, ids, [0] * 5 + [-3, -1, -2])  # the last three by results, two of which are no ids
            results = np.array([[11, 1], [-1, 1], [6, 1]], I)
            out = self.out((8, columns), F)
            self.device.launch("skein_embed", (8,), 64, self.device.put(table), self.device.put(given.astype(I)), F(1.7), out,
                               I(columns), I(11), self.device.put(results), I(2))
            got = self.read(out, (8, columns), F)
            np.testing.assert_array_equal(got, from_bf16(table)[ids] * F(1.7))
            slots = np.full((2, 20), -7, I)
            slots[:, 0] = [4, 1]
            gathered = self.out((2, columns), F)
            self.device.launch("skein_gather", (2,), 96, out, self.device.put(slots), I(20), gathered, I(columns))
            np.testing.assert_array_equal(self.read(gathered, (2, columns), F), got[[4, 1]])

    def test_rms_norm(self):
        for columns in (1, 5, 16, 33, 100, 576, 4096, 5120, 16384):
            for threads in (64, 256, 1024):
                x = self.random.standard_normal((3, columns)).astype(F) * 3
                weight = self.random.standard_normal(columns).astype(F)
                out = self.out((3, columns), np.uint16)
                self.device.launch("skein_rms_norm", (3,), threads, self.device.put(x), self.device.put(weight),
                                   F(1e-5), out, I(columns))
                got = from_bf16(self.read(out, (3, columns), np.uint16))
                x = x.astype(np.float64)
                expected = x / np.sqrt((x * x).mean(1, keepdims=True) + 1e-5) * weight
                self.near(got, expected, np.abs(expected) / 256 + 1e-6, f"{columns} columns, {threads} threads")
                residual = self.random.standard_normal((3, columns)).astype(F)
                added = self.device.put(np.concatenate([residual.ravel(), np.full(GUARD, np.nan, F).view(F)]))
                self.device.launch("skein_rms_norm_add", (3,), threads, self.device.put(x.astype(F)), self.device.put(weight),
                                   F(1e-5), added, I(columns))
                self.near(self.device.get(added, (3, columns), F), expected + residual, 1e-5 * np.ones(1), "added")

    def test_bias_and_round(self):
        x, vector = self.random.standard_normal((3, 33)).astype(F), self.random.standard_normal(33).astype(F)
        at, out = self.device.put(x), self.out((3, 33), np.uint16)
        self.device.launch("skein_bias", (3,), 32, at, self.device.put(vector), I(33))
        np.testing.assert_array_equal(self.device.get(at, (3, 33), F), x + vector)
        self.device.launch("skein_round", (3,), 32, at, out, I(33))
        np.testing.assert_array_equal(self.read(out, (3, 33), np.uint16), to_bf16(x + vector))

    def test_head_norm(self):
        heads, kv, size = 3, 2, 48
        x = self.random.standard_normal((2, heads + 2 * kv, size)).astype(F)
        q, k = (self.random.standard_normal(size).astype(F) for _ in range(2))
        at = self.device.put(x)
        self.device.launch("skein_head_norm", (2,), 64, at, self.device.put(q), self.device.put(k), F(1e-5), I(heads), I(kv),
                           I(size))
        expected = x.astype(np.float64)
        expected[:, :heads + kv] /= np.sqrt((expected[:, :heads + kv] ** 2).mean(2, keepdims=True) + 1e-5)
        expected[:, :heads] *= q
        expected[:, heads:heads + kv] *= k
        self.near(self.device.get(at, x.shape, F), expected, 1e-5 * np.ones(1), "heads")

    # Weights

    def test_rows_become_tiles(self):
        for rows, columns in ((1, 16), (17, 48), (40, 96)):
            for name, bits, row_bytes, values in self.files(rows, columns):
                row_tiles = -(-rows // 16)
                out = self.device.put(np.zeros(row_tiles * columns * 16, np.uint16))
                kind = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1"].index(name)
                at = self.device.put(bits)
                self.device.launch("skein_tile_rows", (2, rows, 1), 32, at, L(row_bytes), I(kind), out, I(columns // 16),
                                   I(rows), I(0), I(0), I(0))
                got = self.device.get(out, row_tiles * columns * 16, np.uint16)
                np.testing.assert_array_equal(got, tiles(to_bf16(values)).ravel(), f"{name} {rows} x {columns}")
                plain = self.out((rows, columns), np.uint16)
                self.device.launch("skein_plain_rows", (1, rows, 1), 96, at, L(row_bytes), I(kind), plain, I(columns),
                                   I(rows))
                np.testing.assert_array_equal(self.read(plain, (rows, columns), np.uint16), to_bf16(values), name)

    def files(self, rows, columns):
        """A matrix in each of a file's types: name, bytes, bytes of a row, values."""
        f32 = self.random.standard_normal((rows, columns)).astype(F)
        yield "F32", f32, 4 * columns, f32
        f16 = f32.astype(np.float16)
        f16[0, :4] = [6e-8, -3e-6, 65504, -0.0]
        yield "F16", f16, 2 * columns, f16.astype(F)
        bf16 = to_bf16(f32)
        yield "BF16", bf16, 2 * columns, from_bf16(bf16)
        if columns % 32:
            return
        blocks = columns // 32
        d = (self.random.standard_normal((rows, blocks, 1)) / 16).astype(np.float16)
        m = self.random.standard_normal((rows, blocks, 1)).astype(np.float16)
        q = self.random.integers(-128, 128, (rows, blocks, 32)).astype(np.int8)
        yield ("Q8_0", np.concatenate([d.view(np.uint8), q.view(np.uint8)], 2), 34 * blocks,
               (d.astype(F) * q).reshape(rows, columns))
        n = self.random.integers(0, 16, (rows, blocks, 32)).astype(np.uint8)
        packed = n[..., :16] | n[..., 16:] << 4
        yield ("Q4_0", np.concatenate([d.view(np.uint8), packed], 2), 18 * blocks,
               (d.astype(F) * (n.astype(F) - 8)).reshape(rows, columns))
        exact = d.astype(np.float64) * n + m
        yield ("Q4_1", np.concatenate([d.view(np.uint8), m.view(np.uint8), packed], 2), 20 * blocks,
               exact.astype(F).reshape(rows, columns))

    def test_gated_rows_are_interleaved(self):
        gate, up = (to_bf16(self.random.standard_normal((21, 32))) for _ in range(2))
        out = self.device.put(np.zeros(3 * 2 * 256, np.uint16))
        for lower, half in ((0, gate), (8, up)):
            self.device.launch("skein_tile_rows", (1, 7, 3), 32, self.device.put(half), L(64), I(2), out, I(2), I(21), I(0),
                               I(1), I(lower))
        np.testing.assert_array_equal(self.device.get(out, 3 * 2 * 256, np.uint16), tiles(self.gated(gate, up)).ravel())

    def gated(self, gate, up):
        rows = -(-gate.shape[0] // 8) * 8
        both = np.zeros((rows // 8, 2, 8, gate.shape[1]), np.uint16)
        for i, half in enumerate((gate, up)):
            full = np.zeros((rows, gate.shape[1]), np.uint16)
            full[:gate.shape[0]] = half
            both[:, i] = full.reshape(rows // 8, 8, -1)
        return both.reshape(rows * 2, -1)

    # Products

    def matmul(self, kernel, weight, x, out, rows, mode):
        multiply(self.device, kernel, self.device.put(weight), self.device.put(x), out, rows, weight.shape[0], weight.shape[1],
                 x.shape[0], mode)

    def products(self):
        """All kernels whose sums have the same bits; some are for compute capability 9.0 only."""
        return (["matmul_8", "matmul_16", "matmul_32", "matmul_64", "matmul_many"] +
                [k for k in ("skinny_16", "skinny_32", "skinny_64", "skinny_128", "wide_16",
                             "wide_32", "wide_64", "wide_128", "wide_192")
                 if self.device.has("skein_" + k)])

    def test_matmul(self):
        for rows, columns in ((1, 16), (17, 48), (80, 576), (40, 2064), (200, 1088)):
            weight = rounded(self.random.standard_normal((rows, columns)))
            for tokens in (1, 2, 7, 8, 9, 16, 31, 64, 65, 130, 200):
                x = rounded(self.random.standard_normal((tokens, columns)) / np.sqrt(columns))
                exact = x.astype(np.float64) @ weight.T.astype(np.float64)
                allowed = (np.abs(x).astype(np.float64) @ np.abs(weight).T) * 2e-6 + 1e-6
                bits = None
                for kernel in self.products():
                    what = f"{kernel}: {rows} x {columns}, {tokens} tokens"
                    out = self.out((tokens, rows), F)
                    self.matmul(kernel, tiles(to_bf16(weight)), to_bf16(x), out, rows, FLOAT)
                    got = self.read(out, (tokens, rows), F)
                    self.near(got, exact, allowed, what)
                    if bits is None:
                        bits = got
                    np.testing.assert_array_equal(got.view(np.uint32), bits.view(np.uint32), what + ": other bits")
                residual = self.random.standard_normal((tokens, rows)).astype(F)
                out = self.device.put(np.concatenate([residual.ravel(), np.full(GUARD, np.nan, F)]))
                self.matmul("matmul_16", tiles(to_bf16(weight)), to_bf16(x), out, rows, ADD)
                np.testing.assert_array_equal(self.device.get(out, (tokens, rows), F), residual + bits)

    def test_gated_matmul(self):
        for rows, columns in ((3, 32), (37, 96)):
            gate, up = (rounded(self.random.standard_normal((rows, columns))) for _ in range(2))
            weight = tiles(self.gated(to_bf16(gate), to_bf16(up)))
            for tokens in (1, 13, 70):
                x = rounded(self.random.standard_normal((tokens, columns)))
                g, u = x.astype(np.float64) @ gate.T, x.astype(np.float64) @ up.T
                for kernel, mode in [(k, GATED) for k in self.products()] + [("matmul_16", GATED_GELU)]:
                    expected = g / (1 + np.exp(-g)) * u
                    if mode == GATED_GELU:
                        expected = g / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (g + 0.044715 * g ** 3))) * u
                    out = self.out((tokens, rows), np.uint16)
                    self.matmul(kernel, weight, to_bf16(x), out, rows, mode)
                    self.near(from_bf16(self.read(out, (tokens, rows), np.uint16)), expected,
                              np.abs(expected) / 200 + 1e-3, f"{kernel}: {rows} x {columns}, {tokens} tokens")

    def test_four_bits_give_the_bits_of_tiles(self):
        for rows, columns in ((16, 32), (37, 96), (24, 576), (16, 2112)):
            for name, file, row_bytes, values in self.files(rows, columns):
                if name not in ("Q4_0", "Q4_1"):
                    continue
                for gated in (0, 1):
                    plain = to_bf16(values)
                    tiled = tiles(self.gated(plain, plain) if gated else plain)
                    row_tiles, groups = tiled.shape[0], -(-columns // 64)
                    at = self.device.put(np.zeros(row_tiles * groups * 640, np.uint8))
                    for lower in (0, 8)[:1 + gated]:
                        self.device.launch("skein_group_rows", (1, rows, 1), 32, self.device.put(file), L(row_bytes),
                                           I(name == "Q4_1"), at, I(columns // 16), I(rows), I(0), I(gated), I(lower))
                    expanded = self.device.put(np.concatenate([tiled.ravel() * 0, np.full(GUARD, 0xFFFF, np.uint16)]))
                    self.device.launch("skein_expand_q4", (-(-groups // 8), row_tiles), 256, at, expanded, I(columns // 16))
                    np.testing.assert_array_equal(from_bf16(self.read(expanded, tiled.shape, np.uint16)), from_bf16(tiled), name)
                    mode = GATED if gated else FLOAT
                    for kernel in ("matmul_q4_8", "matmul_q4_16", "matmul_q4_64", "skinny_q4_16", "skinny_q4_32",
                                   "skinny_q4_64", "wide_q4_128"):
                        if not self.device.has("skein_" + kernel):
                            continue
                        for tokens in (1, 9, 70):
                            x = to_bf16(self.random.standard_normal((tokens, columns)))
                            outs = [self.out((tokens, rows), np.uint16 if gated else F) for _ in range(2)]
                            self.matmul("matmul_16", tiled, x, outs[0], rows, mode)
                            multiply(self.device, kernel, at, self.device.put(x), outs[1], rows, row_tiles, columns // 16, tokens, mode)
                            expected, got = (self.read(o, (tokens, rows), np.uint16 if gated else np.uint32) for o in outs)
                            np.testing.assert_array_equal(got, expected, f"{name}, {kernel}, {rows} x {columns}, {tokens} tokens")

    def test_even_matmul(self):
        """Equal shares of the columns, or all in one chain: other bits, but the same ones each time."""
        kernels = [k for k in ("even_16", "even_32", "even_64", "even_128", "even_256", "flat_256") if self.device.has("skein_" + k)]
        for rows, columns in ((1, 16), (17, 48), (200, 576), (40, 2064), (300, 1088)):
            weight = rounded(self.random.standard_normal((rows, columns)))
            at = self.device.put(tiles(to_bf16(weight)))
            for tokens in (1, 9, 64, 65, 200, 300):
                x = rounded(self.random.standard_normal((tokens, columns)) / np.sqrt(columns))
                exact = x.astype(np.float64) @ weight.T.astype(np.float64)
                allowed = (np.abs(x).astype(np.float64) @ np.abs(weight).T) * 2e-6 + 1e-6
                residual = self.random.standard_normal((tokens, rows)).astype(F)
                held = self.device.put(to_bf16(x))
                for kernel in kernels:
                    for blocks in (1, 3, 5, 132):
                        what = f"{kernel}: {rows} x {columns}, {tokens} tokens, {blocks} blocks"
                        bits = []
                        for mode in (FLOAT, FLOAT, ADD):
                            out = self.device.put(np.concatenate([residual.ravel(), np.full(GUARD, 0xFFFFFFFF, np.uint32).view(F)]))
                            multiply(self.device, kernel, at, held, out, rows, -(-rows // 16), columns // 16, tokens, mode, blocks=blocks)
                            bits.append(self.read(out, (tokens, rows), F))
                        self.near(bits[0], exact, allowed, what)
                        np.testing.assert_array_equal(bits[1].view(np.uint32), bits[0].view(np.uint32), what + ": other bits")
                        np.testing.assert_array_equal(bits[2], residual + bits[0], what)

    def test_even_gated_matmul(self):
        for rows, tokens in itertools.product((150, 152), (13, 70, 256)):
            gate, up = (rounded(self.random.standard_normal((rows, 576)) / 24) for _ in range(2))
            weight = self.device.put(tiles(self.gated(to_bf16(gate), to_bf16(up))))
            x = rounded(self.random.standard_normal((tokens, 576)))
            g, u = x.astype(np.float64) @ gate.T, x.astype(np.float64) @ up.T
            expected = g / (1 + np.exp(-g)) * u
            for kernel, blocks in itertools.product(("even_16", "even_64", "even_256", "flat_256"), (5, 132)):
                if self.device.has("skein_" + kernel):
                    out = self.out((tokens, rows), np.uint16)
                    multiply(self.device, kernel, weight, self.device.put(to_bf16(x)), out, rows, 19, 36, tokens, GATED, blocks=blocks)
                    self.near(from_bf16(self.read(out, (tokens, rows), np.uint16)), expected, np.abs(expected) / 200 + 1e-3,
                              f"{kernel}: {rows} rows, {tokens} tokens, {blocks} blocks")

    def test_four_bits_with_rounded_scales(self):
        for rows, columns in ((16, 32), (37, 96), (150, 576), (16, 2112)):
            for name, file, row_bytes, values in self.files(rows, columns):
                if name not in ("Q4_0", "Q4_1"):
                    continue
                row_tiles, groups = -(-rows // 16), -(-columns // 64)
                at = self.device.put(np.zeros(row_tiles * groups * 640, np.uint8))
                self.device.launch("skein_group_rows", (1, rows, 1), 32, self.device.put(file), L(row_bytes), I(name == "Q4_1"), at,
                                   I(columns // 16), I(rows), I(0), I(0), I(0))
                d, m = (np.abs(np.ascontiguousarray(file[:, :, i:i + 2]).view(np.float16).astype(np.float64)) for i in (0, 2))
                # d and m are off by 2^-9 each, and then the element is.
                most = np.repeat((15 * d + (m if name == "Q4_1" else 8 * d)) / 256, 32, 2).reshape(rows, columns)
                for kernel in ("matmul_q4r_8", "even_q4_8", "even_q4_16", "even_q4_32", "even_q4_64", "even_q4_128", "even_q4_256", "flat_q4_256"):
                    for tokens in (1, 9, 70) if self.device.has("skein_" + kernel) else ():
                        x = rounded(self.random.standard_normal((tokens, columns)))
                        out = self.out((tokens, rows), F)
                        multiply(self.device, kernel, at, self.device.put(to_bf16(x)), out, rows, row_tiles, columns // 16, tokens, FLOAT)
                        exact = x.astype(np.float64) @ values.T.astype(np.float64)
                        self.near(self.read(out, (tokens, rows), F), exact, np.abs(x).astype(np.float64) @ most.T + 1e-5,
                                  f"{name}, {kernel}, {rows} x {columns}, {tokens} tokens")

    # Experts

    def test_experts(self):
        for count, chosen, normalised, hidden, inner, tokens in ((4, 2, 1, 32, 48, 1), (5, 3, 0, 48, 16, 9), (40, 8, 1, 16, 32, 75),
                                                                (3, 2, 1, 592, 144, 100)):
            what = f"{chosen} of {count} experts, {tokens} tokens, seed {SEED}"
            logits = np.round(self.random.standard_normal((tokens, count)) * 4).astype(F) / 4  # equals
            gate, up = (rounded(self.random.standard_normal((count, inner, hidden)) / 4) for _ in range(2))
            down = rounded(self.random.standard_normal((count, hidden, inner)) / 4)
            x = rounded(self.random.standard_normal((tokens, hidden)))
            residual = self.random.standard_normal((tokens, hidden)).astype(F)
            order = np.argsort(-logits, axis=1, kind="stable")[:, :chosen]
            e = np.exp(logits.astype(np.float64))
            weight = np.take_along_axis(e, order, 1)
            weight /= (weight if normalised else e).sum(1, keepdims=True)

            slots = tokens * chosen
            expert, p = self.out((slots,), I), self.out((slots,), F)
            self.device.launch("skein_route", (tokens,), 32, self.device.put(logits), I(count), I(chosen), I(normalised),
                               expert, p)
            np.testing.assert_array_equal(self.read(expert, (tokens, chosen), I), order, what)
            self.near(self.read(p, (tokens, chosen), F), weight, 1e-6 * np.ones(1), what)
            start, listed = self.out((count + 1,), I), self.out((slots,), I)
            self.device.launch("skein_list", (1,), 1024, expert, I(slots), I(count), start, listed, shared=4 * (count + 1))
            starts, slot_list = self.read(start, (count + 1,), I), self.read(listed, (slots,), I)
            for i in range(count):
                np.testing.assert_array_equal(slot_list[starts[i]:starts[i + 1]], np.flatnonzero(order.ravel() == i), what)

            gate_up = self.device.put(np.stack([tiles(self.gated(to_bf16(g), to_bf16(u))) for g, u in zip(gate, up)]))
            downs = self.device.put(np.stack([tiles(to_bf16(d)) for d in down]))
            at = self.device.put(to_bf16(x))
            exact = np.zeros((tokens, hidden))
            for t in range(tokens):
                for i, w in zip(order[t], weight[t]):
                    g = x[t].astype(np.float64) @ gate[i].T
                    exact[t] += w * (g / (1 + np.exp(-g)) * (x[t].astype(np.float64) @ up[i].T)) @ down[i].T
            bits = None
            for kernel in self.expert_products():
                inners, products = self.out((slots, inner), np.uint16), self.out((slots, hidden), F)
                if kernel.startswith("experts"):
                    experts(self.device, kernel, gate_up, at, inners, inner, -(-inner // 8), hidden, tokens, count, start, listed, chosen, GATED)
                    experts(self.device, kernel, downs, inners, products, hidden, -(-hidden // 16), inner, tokens, count, start, listed, 1, FLOAT)
                else:
                    brought = self.out((slots, hidden), np.uint16)
                    self.device.launch("skein_bring", (slots,), 32, at, listed, I(chosen), brought, I(hidden // 8))
                    np.testing.assert_array_equal(self.read(brought, (slots, hidden), np.uint16), to_bf16(x)[slot_list // chosen], what)
                    grouped(self.device, kernel, gate_up, brought, inners, inner, -(-inner // 8), hidden, slots, count, start, 0, GATED)
                    grouped(self.device, kernel, downs, inners, products, hidden, -(-hidden // 16), inner, slots, count, start, listed, FLOAT)
                self.read(inners, (slots, inner), np.uint16)
                out = self.device.put(residual)
                self.device.launch("skein_mix", (tokens,), 64, products, p, I(chosen), out, I(hidden))
                got = self.device.get(out, (tokens, hidden), F)
                self.near(got, exact + residual, np.abs(exact) / 100 + 0.02 * np.abs(exact).max(), f"{kernel}: {what}")
                self.read(products, (slots, hidden), F)
                if bits is None:
                    bits = got.view(np.uint32)
                if "flat" not in kernel:
                    np.testing.assert_array_equal(got.view(np.uint32), bits, f"{kernel}: {what}: other bits")

    def expert_products(self):
        """All kernels of experts' products; those that are for compute capability 9.0 only are "grouped"."""
        return ["experts_8", "experts_64"] + [k for k in ("grouped_16", "grouped_32", "grouped_64", "grouped_128", "grouped_flat_256")
                                              if self.device.has("skein_" + k)]

    # Attention

    def cache(self, keys, values, heads, size, order, blocks):
        """Caches in which position p of a sequence is in block order[p / 16]."""
        cache = [np.full((blocks, heads, size // 16, 8, 4, 2, 2, 2), 0xFFFF, np.uint16) for _ in range(2)]
        for p in range(keys.shape[0]):
            for head in range(heads):
                for e in range(size):
                    for which, (r, c) in enumerate(((p % 16, e % 16), (e % 16, p % 16))):
                        tile = cache[which][order[p // 16], head, e // 16]
                        tile[r % 8, c % 8 // 2, c // 8, r // 8, c % 2] = (keys, values)[which][p, head, e]
        return cache

    def test_rope_and_store(self):
        for heads, kv, size, pairs, interleaved in ((4, 2, 32, 16, 1), (3, 1, 64, 32, 0), (2, 2, 80, 20, 0), (1, 1, 16, 4, 1)):
            positions, slots = np.array([3, 40, 0], I), np.array([37, 5, -1], I)
            rows = self.random.standard_normal((3, (heads + 2 * kv) * size)).astype(F)
            angle = np.arange(41)[:, None] * 10000.0 ** (-np.arange(pairs) / pairs)
            table = np.concatenate([np.cos(angle), np.sin(angle)], 1).astype(F)
            qkv = self.device.put(rows)
            caches = [self.device.poisoned(4 * kv * size * 16, np.uint16) for _ in range(2)]
            self.device.launch("skein_rope_store", (3,), 96, qkv, self.device.put(positions), self.device.put(slots),
                               self.device.put(table), I(pairs), I(interleaved), *caches, I(heads), I(kv), I(size))
            expected = rows.reshape(3, -1, size).astype(np.float64)
            for token in range(3):
                for i in range(pairs):
                    a, b = (2 * i, 2 * i + 1) if interleaved else (i, i + pairs)
                    c, s = np.cos(angle[positions[token], i]), np.sin(angle[positions[token], i])
                    turned = expected[token, :heads + kv]
                    x, y = turned[:, a].copy(), turned[:, b].copy()
                    turned[:, a], turned[:, b] = x * c - y * s, y * c + x * s
            got = self.device.get(qkv, rows.shape, F).reshape(3, -1, size)
            self.near(got[:, :heads], expected[:, :heads], 2e-6 * np.ones(1), "queries")
            held = [self.device.get(at, (4, kv, size // 16, 8, 4, 2, 2, 2), np.uint16) for at in caches]
            stored = np.zeros((4, 16), bool)
            for token in range(2):
                block, within = divmod(int(slots[token]), 16)
                stored[block, within] = True
                for which in range(2):
                    for head in range(kv):
                        for e in range(size):
                            r, c = (within, e % 16) if which == 0 else (e % 16, within)
                            bits = held[which][block, head, e // 16, r % 8, c % 8 // 2, c // 8, r // 8, c % 2]
                            exact = expected[token, heads + which * kv + head, e]
                            self.assertLess(abs(from_bf16(bits) - exact), abs(exact) / 200 + 1e-5)
            untouched = 4 * 16 - stored.sum()
            for which in range(2):
                self.assertEqual((held[which] == 0xFFFF).sum(), untouched * kv * size, "wrote into other slots")

    def attention(self, size, heads, kv, lengths, chunk_blocks, window, prompt):
        """All tokens of some prompts; kernels for single tokens, or for prompts. Returns bits and the exact result."""
        scale = 1 / np.sqrt(size)
        tokens, fused = sum(lengths), (heads + 2 * kv) * size
        rows = self.random.standard_normal((tokens, fused)).astype(F) * 2
        split = rows.reshape(tokens, -1, size)
        blocks = sum(-(-n // 16) for n in lengths) + 2
        order = self.random.permutation(blocks)
        positions = np.concatenate([np.arange(n) for n in lengths]).astype(I)
        sequence = np.repeat(np.arange(len(lengths)), lengths).astype(I)
        start, caches, exact, first = [0], None, np.empty((tokens, heads, size)), 0
        for n in lengths:
            table = order[start[-1]:start[-1] + -(-n // 16)]
            part = split[first:first + n]
            made = self.cache(to_bf16(part[:, heads:heads + kv]), to_bf16(part[:, heads + kv:]), kv, size, table, blocks)
            caches = made if caches is None else [np.where(m == 0xFFFF, c, m) for c, m in zip(caches, made)]
            q, k, v = (rounded(x).astype(np.float64) for x in (part[:, :heads], part[:, heads:heads + kv], part[:, heads + kv:]))
            for h in range(heads):
                s = q[:, h] @ k[:, h // (heads // kv)].T * scale
                s[np.triu_indices(n, 1)] = -np.inf
                s[np.tril_indices(n, -window)] = -np.inf
                p = np.exp(s - s.max(1, keepdims=True))
                exact[first:first + n, h] = p @ v[:, h // (heads // kv)] / p.sum(1, keepdims=True)
            start.append(start[-1] + len(table))
            first += n
        # A sequence's last block is full of what is not there: values must not come in, though their weight is zero.
        caches = [np.where(c == 0xFFFF, 0x7F00, c).astype(np.uint16) for c in caches]
        step = [self.device.put(x) for x in (rows, positions, sequence, np.array(start, I), order.astype(I))]
        step.append(I(window))
        at = [self.device.put(c) for c in caches]
        out = self.out((tokens, heads, size), np.uint16)
        parts = -(-(heads // kv) // 8)
        shape = [I(heads), I(kv), F(scale), I(chunk_blocks)]
        if prompt == "flash":
            most, pieces, piece_start, tile_rows, first = 128 // min(heads // kv, 8), [], [], [], 0
            for i, n in enumerate(lengths):
                piece_start.append(len(pieces))
                pieces += [(i, b) for b in range(-(-n // 128))]
                tile_rows += [(first + j, min(most, n - j)) for j in range(0, n, most)]
                first += n
            images = self.out((len(pieces), kv, 256 * size), np.uint16)
            last = self.device.put((np.cumsum(lengths) - 1).astype(I))
            self.device.launch(f"skein_lay_{size}", (len(pieces), kv), 256, self.device.put(np.array(pieces, I)), step[1], last, step[3],
                               step[4], *at, I(kv), images, shared=512 * size)
            self.device.launch(f"skein_flash_{size}", (len(tile_rows), kv * parts), 384, step[0], step[1], step[2],
                               self.device.put(np.array(piece_start, I)), I(window), self.device.put(np.array(tile_rows, I)), images,
                               I(heads), I(kv), F(scale), out, shared=1536 * size + 1120)
            self.read(images, (len(pieces), kv, 256 * size), np.uint16)
        elif prompt:
            column_tiles = 2 if size == 256 else 4
            most = column_tiles * 8 // min(heads // kv, 8)
            pieces, first = [], 0
            for n in lengths:
                pieces += [(first + i, min(most, n - i)) for i in range(0, n, most)]
                first += n
            self.device.launch(f"skein_prompt_{size}", (len(pieces), kv * parts), 128, *step,
                               self.device.put(np.array(pieces, I)), *at, *shape, out,
                               shared=column_tiles * (176 * size + 256))
        else:
            chunks = -(-max(-(-n // 16) for n in lengths) // chunk_blocks)
            partial = self.out((tokens, heads, chunks, size + 2), F)
            rows = self.device.put(self.random.permutation(tokens).astype(I)) if tokens % 2 else 0
            staged = prompt is None  # by the copy engine
            self.device.launch(f"skein_{'staged' if staged else 'attention'}_{size}", (chunks, kv * parts, tokens), 128, *step, rows, *at,
                               *shape, partial, out, shared=528 * size + 256 if staged else 0)
            self.device.launch(f"skein_attention_merge_{size}", (heads, tokens), size, step[1], rows, I(window), I(heads), I(chunk_blocks),
                               I(chunks), partial, out)
        return self.read(out, (tokens, heads, size), np.uint16), exact

    def test_attention(self):
        all_of_it = 1 << 30
        cases = [(32, 4, 2, (1, 18, 65), 2, all_of_it), (64, 3, 1, (5, 40), 16, all_of_it), (80, 2, 2, (33,), 1, all_of_it),
                 (96, 6, 1, (17, 16), 1, 9), (128, 8, 2, (70,), 2, all_of_it), (128, 12, 1, (20,), 1, 1),
                 (256, 2, 1, (35,), 1, all_of_it), (64, 2, 2, (300,), 4, all_of_it), (64, 2, 2, (300,), 4, 70)]
        for size, heads, kv, lengths, chunk, window in cases:
            bits = []
            for prompt in (False, True, None) if self.device.has(f"skein_staged_{size}") else (False, True):
                self.random = np.random.default_rng(SEED)
                got, exact = self.attention(size, heads, kv, lengths, chunk, window, prompt)
                self.near(from_bf16(got), exact, 1.5e-2 + np.abs(exact) * 1e-2, f"{size} {heads}/{kv} {lengths} {window} {prompt}")
                bits.append(got)
            for other in bits[1:]:
                np.testing.assert_array_equal(bits[0], other, "a token alone and in a prompt must get the same bits")

    def test_flash(self):
        all_of_it = 1 << 30
        for size, heads, kv, lengths, window in ((64, 2, 1, (1,), all_of_it), (128, 8, 2, (70, 1, 129), all_of_it),
                                                 (64, 3, 1, (5, 140), all_of_it), (128, 12, 1, (130,), all_of_it),
                                                 (128, 4, 1, (700, 33), all_of_it), (64, 2, 2, (300,), 70), (128, 4, 4, (513,), 1)):
            if self.device.has(f"skein_flash_{size}"):
                got, exact = self.attention(size, heads, kv, lengths, 8, window, "flash")
                self.near(from_bf16(got), exact, 1.5e-2 + np.abs(exact) * 1e-2, f"flash {size} {heads}/{kv} {lengths} {window}")

    # Sampling

    def settings(self, n):
        """Random ones, with the neutral and the extreme often among them."""
        pick = self.random.choice
        ids = lambda most: self.random.integers(0, n, self.random.integers(0, most)).tolist()
        history = ids(40) if pick([True, False]) else []
        return {"target": -1, "logprobs": int(pick([-1, 0, 1, 5, 2 * n])) if n < 50 else int(pick([-1, 0, 3])),
                "top_k": int(pick([0, 1, 3, 40, 600, n, n + 1])), "temperature": float(pick([0, 1e-6, 0.3, 1, 1.7])),
                "top_p": float(pick([1, 0.9, 0.5, 1e-6, 0])), "min_p": float(pick([0, 0.05, 1])),
                "repetition": float(pick([1, 1.3])), "frequency": float(pick([0, 0.4])), "presence": float(pick([0, 0.7])),
                "seed": int(self.random.integers(0, 1 << 63)), "position": int(self.random.integers(0, 1000)),
                "history": history, "prompt": int(self.random.integers(0, len(history) + 1)),
                "bias": [(i, float(pick([-np.inf, 3, -2, 0.1]))) for i in ids(6)] if pick([True, False]) else [],
                "allowed": ids(9) if pick([True, False, False]) else []}

    def test_sample(self):
        for n, rows in ((1, 6), (2, 20), (33, 60), (1000, 25), (5003, 6)):
            raw = (self.random.standard_normal((rows, n)) * self.random.choice([0, 1, 8], (rows, 1))).astype(F)
            raw = np.where(self.random.random((rows, n)) < 0.3, np.round(raw), raw).astype(F)  # equals
            wanted = [self.settings(n) for _ in range(rows)]
            if n > 5:
                wanted[0]["target"] = 5
                wanted[1].update(bias=[(i, -np.inf) for i in range(n)], temperature=1.0)
            results, tops = self.sample(raw, wanted)
            for row, o in enumerate(wanted):
                what = f"row {row} of {n}, seed {SEED}: {o}"
                result = results[row]
                self.assertEqual(result[3], 0, what)
                chosen = o["target"] if o["target"] >= 0 else sampling.choose(raw[row], o)
                self.assertEqual(result[0], chosen, what)
                if o["logprobs"] < 0:
                    continue
                logprob, rank, top = sampling.score(raw[row], chosen, min(o["logprobs"], n))
                self.assertAlmostEqual(float(result[1:2].view(F)[0]), logprob, delta=1e-6 * (1 + abs(logprob)), msg=what)
                self.assertEqual(result[2], rank, what)
                got = tops[result[5]:result[5] + len(top)]
                self.assertEqual(got[:, 0].tolist(), [i for i, _ in top], what)
                for value, (_, expected) in zip(np.ascontiguousarray(got[:, 1]).view(F), top):
                    self.assertAlmostEqual(float(value), expected, delta=1e-6 * (1 + abs(expected)), msg=what)

    def test_sample_says_what_is_wrong(self):
        raw = self.random.standard_normal((4, 40)).astype(F)
        raw[1, 7], raw[2, 39] = np.nan, np.inf
        wanted = [self.settings(40) | {"logprobs": -1, "bias": [], "allowed": [], "history": []} for _ in range(4)]
        wanted[3]["history"] = [3, 40]
        results, _ = self.sample(raw, wanted)
        self.assertEqual([(r[3], r[4]) for r in results.tolist()], [(0, -1), (1, 7), (1, 39), (2, 40)])

    def sample(self, raw, wanted):
        rows, n = raw.shape
        history, bias, allowed, slots, room = [], [], [], np.zeros((rows, 20), I), 0
        for row, o in enumerate(wanted):
            slots[row] = ([0, o["target"], o["logprobs"], o["top_k"]] + np.array(
                [o["temperature"], o["top_p"], o["min_p"], o["repetition"], o["frequency"], o["presence"]], F).view(I).tolist()
                + np.array([o["seed"]], np.uint64).view(I).tolist() + [o["position"], len(history), len(o["history"]),
                o["prompt"], len(bias), len(o["bias"]), len(allowed), len(o["allowed"])])
            history += o["history"]
            bias += [[i, np.array([x], F).view(I)[0]] for i, x in o["bias"]]
            allowed += o["allowed"]
            room += max(0, min(o["logprobs"], n))
        results, tops = self.out((rows, 6), I), self.out((room, 2), I)
        self.device.launch("skein_sample", (rows,), 1024, self.device.put(raw), I(n), self.device.put(slots),
                           *[self.device.put(np.array(x or [0], I)) for x in (history, bias, allowed)],
                           self.out((rows, n), F), self.out((rows, n), I), results, tops)
        return self.read(results, (rows, 6), I), self.read(tops, (room, 2), I)


if __name__ == "__main__":
    unittest.main()
