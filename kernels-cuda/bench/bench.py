"""Times each kernel beside PyTorch's call for the same work, in one process on one GPU, and prints a table.

Every timed launch finds its weights or cache outside of L2: launches rotate over copies that together are several times
larger. Launches are captured into a graph of both sides alike; a sample is one replay divided by its launches. Data is random.
Nothing is timed whose result has not been compared with PyTorch's first.

usage: bench.py FATBIN [PART of a row's name ...]
"""
import os
import statistics
import sys

import torch
import torch.nn.functional as nn

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "test"))
from driver import Device, cluster_of, experts, grouped, multiply, sharing  # noqa: E402

import numpy as np  # noqa: E402

I, F, L = np.int32, np.float32, np.int64
CUDA = torch.device("cuda")
COLD_BYTES = 512 << 20
SAMPLES = 25
ALL = os.environ.get("SKEIN_BENCH_ALL")  # each kernel that could do it and whose name begins so, not only the one that is used
FLOAT, ADD, GATED = range(3)


class Bench:
    def __init__(self, fatbin, wanted):
        torch.cuda.init()
        torch.manual_seed(1)
        torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
        self.scratch = torch.empty(1, device=CUDA)  # makes PyTorch's context, which is the primary one
        with open(fatbin, "rb") as file:
            self.device = Device(file.read())
        self.wanted = wanted
        self.copy_rate = None
        self.wrong = False

    # Measuring

    def sample(self, launches):
        """Microseconds for each of some functions that launch once: median, lowest and highest of the replays."""
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            self.device.stream = stream.cuda_stream
            for launch in launches[:2]:
                launch()
            stream.synchronize()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, stream=stream):
                self.device.stream = torch.cuda.current_stream().cuda_stream
                for launch in launches:
                    launch()
            times = []
            for i in range(SAMPLES + 3):
                start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
                start.record()
                graph.replay()
                end.record()
                end.synchronize()
                if i >= 3:
                    times.append(start.elapsed_time(end) * 1000 / len(launches))
        return statistics.median(times), min(times), max(times)

    def row(self, name, ours, theirs, work, unit):
        """work: bytes or operations of one launch; unit: "TB/s" or "TFLOP/s"; theirs: functions, or what a call before returned."""
        us, low, high = self.sample(ours)
        rate = work / us / 1e6
        peer = ["", "", ""]
        if theirs:
            p, p_low, p_high = theirs = theirs if isinstance(theirs, tuple) else self.sample(theirs)
            peer = [f"{p:.1f}", f"{p_low:.1f}-{p_high:.1f}", f"{p / us:.2f}"]
        share = f"{100 * rate / self.copy_rate:.0f} %" if unit == "TB/s" and self.copy_rate else ""
        print(f"| {name} | {us:.1f} | {low:.1f}-{high:.1f} | {rate:.2f} {unit} | {share} | {peer[0]} | {peer[1]} | {peer[2]} |",
              flush=True)
        return theirs

    def want(self, name):
        return not self.wanted or any(part in name for part in self.wanted)

    def check(self, name, got, expected, allowed):
        error = ((got.double() - expected.double()).norm() / expected.double().norm()).item()
        if not error <= allowed:
            self.wrong = True
            print(f"| {name} | WRONG: differs from PyTorch by {error:.2e}, {allowed:.0e} is allowed |", flush=True)

    @staticmethod
    def copies(size):
        return max(2, -(-COLD_BYTES // size))

    def ceilings(self):
        """A copy, counting bytes read and written, and a large product."""
        a, b = (torch.randn(1 << 30, dtype=torch.bfloat16, device=CUDA) for _ in range(2))
        us, _, _ = self.sample([lambda: torch.neg(a, out=b)] * 4)  # a kernel; copy_ becomes a node that the copy engine takes
        self.copy_rate = 2 * a.nbytes / us / 1e6
        read, _, _ = self.sample([lambda: torch.sum(a.view(torch.float32))] * 4)
        read = a.nbytes / read / 1e6
        del a, b
        x, w = (torch.randn(8192, 8192, dtype=torch.bfloat16, device=CUDA) for _ in range(2))
        out = torch.empty_like(x)
        us, _, _ = self.sample([lambda: torch.mm(x, w, out=out)] * 4)
        print(f"Ceilings: copy {self.copy_rate:.2f} TB/s (read and written), sum {read:.2f} TB/s (read), bf16 8192^3 {2 * 8192 ** 3 / us / 1e6:.0f} TFLOP/s.\n")
        print("| | us | min-max | rate | of copy | PyTorch us | min-max | ratio |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- |", flush=True)

    # Products

    def tiles(self, parts, gated=False):
        rows, columns = parts[0].shape
        unit = 8 if gated else 16
        out = torch.zeros(-(-rows // unit) * columns * 16, dtype=torch.bfloat16, device=CUDA)
        for lower, part in zip((0, 8), parts):
            self.device.stream = torch.cuda.current_stream().cuda_stream
            self.device.launch("skein_tile_rows", (-(-columns // 256), min(rows, 32768), -(-rows // 32768)), 256,
                               part.data_ptr(), L(2 * columns), I(2), out.data_ptr(), I(columns // 16), I(rows), I(0),
                               I(int(gated)), I(lower))
        torch.cuda.synchronize()
        return out

    def kernels(self, tokens, row_tiles, columns):
        """Names of the kernels that are timed: the one that the backend takes, or all that can."""
        fits = [k for k in ("matmul_8", "matmul_16", "matmul_32", "matmul_64", "skinny_16", "skinny_32", "skinny_64",
                            "wide_16", "wide_32", "wide_64") if tokens <= int(k.split("_")[1]) < max(16, 4 * tokens)]
        if tokens > 64:
            fits += ["matmul_many", "skinny_128", "wide_128", "wide_192", "flat_256"]
        fits += [f"even_{n}" for n in (16, 32, 64, 128, 256) if n < 2 * tokens or n == 16][-2:]
        if ALL:
            return [k for k in fits if self.device.has("skein_" + k) and k.startswith(tuple(ALL.split(",")))]
        return [self.chosen(tokens, -(-row_tiles // 8), -(-columns // 64))]

    def chosen(self, tokens, row_blocks, stages, four=""):
        """As CudaMatmul and CudaHopperMatmul choose where the same bits are not asked for; four: "q4_" for weights of four bits."""
        if tokens <= (4 if four else 8) or not self.device.has("skein_even_16"):
            sizes = (8, 16, 64) if four else (8, 16, 32, 64)
            fits = next((n for n in sizes if tokens <= n), None)
            return f"matmul_{'q4r_' if four and fits == 8 else four}{fits or (64 if four else 'many')}"
        if tokens <= 128:
            return next(f"even_{four}{n}" for n in (8, 16, 32, 64, 128) if tokens <= n)

        def whole(size, stage):
            return -(-row_blocks * -(-tokens // size) // 132) * (stages * stage + 3)

        def even(size, stage, besides):
            made = row_blocks * -(-tokens // size)
            cluster = cluster_of(size, made, stages, 132, four)
            if cluster > 1:
                return -(-stages // cluster) * stage + besides
            if -(-tokens // size) > (2 if four else 1):
                return float("inf")
            return -(-made * stages // sharing(made, stages, 132)) * stage + besides + size * 0.1

        micros = {f"flat_{four}256": whole(256, 0.73)}
        micros |= ({"even_q4_128": even(128, 0.42, 6), "even_q4_256": even(256, 0.78, 10)} if four else
                   {"even_128": even(128, 0.42, 8.8), "even_256": even(256, 0.69, 10), "wide_128": whole(128, 0.5), "wide_192": whole(192, 0.63)})
        return min(micros, key=micros.get)

    def matmul(self, kernel, weight, x, out, rows, row_tiles, columns, mode, overlap):
        multiply(self.device, kernel, weight.data_ptr(), x.data_ptr(), out.data_ptr(), rows, row_tiles, columns // 16, x.shape[0], mode,
                 overlap)

    def products(self):
        shapes = [("qkv", 6144, 4096), ("o", 4096, 4096), ("down", 4096, 14336), ("head", 128256, 4096)]
        for what, rows, columns in shapes:
            for tokens in (1, 8, 16, 32, 64, 128, 256, 512, 2048, 8192):
                name = f"{what} {rows} x {columns}, {tokens} rows"
                if not self.want(name) or (what == "head" and tokens > 64):
                    continue
                size = 2 * rows * columns
                count = 2 if tokens > 64 else self.copies(size)
                plain = [torch.randn(rows, columns, dtype=torch.bfloat16, device=CUDA) for _ in range(count)]
                tiled = [self.tiles([w]) for w in plain]
                x = torch.randn(tokens, columns, dtype=torch.bfloat16, device=CUDA)
                out = torch.full((tokens, rows), float("nan"), device=CUDA)
                peer = torch.empty(tokens, rows, dtype=torch.bfloat16, device=CUDA)
                theirs = [lambda w=w: torch.mm(x, w.t(), out=peer) for w in plain]
                right = x.float() @ plain[0].float().t()
                flops = 2 * rows * columns * tokens
                for kernel in self.kernels(tokens, rows // 16, columns):
                    ours = [lambda w=w: self.matmul(kernel, w, x, out, rows, rows // 16, columns, FLOAT, True) for w in tiled]
                    out.fill_(float("nan"))
                    self.device.stream = torch.cuda.current_stream().cuda_stream
                    ours[0]()
                    torch.cuda.synchronize()
                    self.check(f"{name}, {kernel}", out, right, 1e-4)
                    theirs = self.row(f"{name}, {kernel}", ours, theirs, flops if tokens > 64 else size,
                                      "TFLOP/s" if tokens > 64 else "TB/s")

    def four_bits(self):
        """Beside bf16 of the same shape: PyTorch has no product of four bits."""
        for rows, columns in ((8192, 8192), (4096, 14336)):
            groups, size = columns // 64, rows * columns * 5 // 8
            count = self.copies(size)
            file = torch.randint(0, 256, (rows, columns // 32, 20), dtype=torch.uint8, device=CUDA)
            scales = torch.randn(rows, columns // 32, 2, device=CUDA).half() / 64
            file[:, :, :4] = scales.view(torch.uint8)
            at = file.data_ptr()
            weights = [torch.zeros(rows // 16 * groups * 640, dtype=torch.uint8, device=CUDA) for _ in range(count)]
            self.device.stream = torch.cuda.current_stream().cuda_stream
            for weight in weights:
                self.device.launch("skein_group_rows", (-(-columns // 32 // 256), rows, 1), 256, at, L(columns // 32 * 20), I(1),
                                   weight.data_ptr(), I(columns // 16), I(rows), I(0), I(0), I(0))
            torch.cuda.synchronize()
            nibbles = torch.cat([file[:, :, 4:] & 15, file[:, :, 4:] >> 4], 2).float()
            plain = (nibbles * scales[:, :, :1].float() + scales[:, :, 1:].float()).bfloat16().view(rows, columns)
            peers = [plain.clone() for _ in range(self.copies(2 * rows * columns))]
            for tokens in (1, 4, 8, 16, 32, 64, 256, 2048):
                name = f"four bits {rows} x {columns}, {tokens} rows"
                if not self.want(name):
                    continue
                x = torch.randn(tokens, columns, dtype=torch.bfloat16, device=CUDA)
                out = torch.full((tokens, rows), float("nan"), device=CUDA)
                peer = torch.empty(tokens, rows, dtype=torch.bfloat16, device=CUDA)
                theirs = [lambda w=w: torch.mm(x, w.t(), out=peer) for w in peers]
                for kernel in dict.fromkeys([self.chosen(tokens, rows // 128, groups, "q4_")] +
                                            (["matmul_q4r_8", "even_q4_8"] if ALL and tokens <= 8 else [])):
                    ours = [lambda w=w: multiply(self.device, kernel, w.data_ptr(), x.data_ptr(), out.data_ptr(), rows, rows // 16,
                                                 columns // 16, tokens, FLOAT, True) for w in weights]
                    out.fill_(float("nan"))
                    self.device.stream = torch.cuda.current_stream().cuda_stream
                    ours[0]()
                    torch.cuda.synchronize()
                    self.check(f"{name}, {kernel}", out, x.float() @ plain.float().t(), 1e-2)
                    theirs = self.row(f"{name}, {kernel}", ours, theirs, size if tokens <= 64 else 2 * rows * columns * tokens,
                                      "TB/s" if tokens <= 64 else "TFLOP/s")

    def gated(self):
        rows, columns = 14336, 4096
        for tokens in (1, 16, 64, 256, 2048):
            name = f"gate-up 2 x {rows} x {columns}, SiLU, {tokens} rows"
            if not self.want(name):
                continue
            count = self.copies(4 * rows * columns)
            both = [torch.randn(2 * rows, columns, dtype=torch.bfloat16, device=CUDA) / 64 for _ in range(count)]
            tiled = [self.tiles([w[:rows], w[rows:]], gated=True) for w in both]
            x = torch.randn(tokens, columns, dtype=torch.bfloat16, device=CUDA)
            out = torch.full((tokens, rows), float("nan"), dtype=torch.bfloat16, device=CUDA)
            product = torch.empty(tokens, 2 * rows, dtype=torch.bfloat16, device=CUDA)

            def peer(w):
                torch.mm(x, w.t(), out=product)
                return nn.silu(product[:, :rows]) * product[:, rows:]

            theirs = [lambda w=w: peer(w) for w in both]
            for kernel in self.kernels(tokens, rows // 8, columns):
                ours = [lambda w=w: self.matmul(kernel, w, x, out, rows, rows // 8, columns, GATED, True) for w in tiled]
                out.fill_(float("nan"))
                self.device.stream = torch.cuda.current_stream().cuda_stream
                ours[0]()
                torch.cuda.synchronize()
                self.check(f"{name}, {kernel}", out, peer(both[0]), 1e-2)
                work = 4 * rows * columns * (tokens if tokens > 64 else 1)
                theirs = self.row(f"{name}, {kernel}", ours, theirs, work, "TFLOP/s" if tokens > 64 else "TB/s")

    def experts(self):
        """A layer's experts as in Mixtral: both products, with what brings rows together before and adds them up after."""
        count, chosen, inner, hidden = 8, 2, 14336, 4096
        sizes = [tokens for tokens in (1, 8, 16, 32, 64, 128, 256, 2048) if self.want(f"experts 8 of 3 x {inner} x {hidden}, {tokens} tokens")]
        if not sizes:
            return
        both = torch.randn(count, 2 * inner, hidden, dtype=torch.bfloat16, device=CUDA) / 64
        downs = torch.randn(count, hidden, inner, dtype=torch.bfloat16, device=CUDA) / 64
        gate_up = torch.cat([self.tiles([w[:inner], w[inner:]], gated=True) for w in both])
        down = torch.cat([self.tiles([w]) for w in downs])
        for tokens in sizes:
            slots = tokens * chosen
            x = torch.randn(tokens, hidden, dtype=torch.bfloat16, device=CUDA)
            logits = torch.randn(tokens, count, device=CUDA)
            expert, start, listed = (torch.empty(n, dtype=torch.int32, device=CUDA) for n in (slots, count + 1, slots))
            weight, products = torch.empty(slots, device=CUDA), torch.empty(slots, hidden, device=CUDA)
            inners, brought = (torch.empty(slots, n, dtype=torch.bfloat16, device=CUDA) for n in (inner, hidden))
            out = torch.zeros(tokens, hidden, device=CUDA)
            at = {name: t.data_ptr() for name, t in locals().items() if isinstance(t, torch.Tensor)}

            def ours(kernel):
                launch = lambda *arguments, **how: self.device.launch(*arguments, **how, overlap=True)
                launch("skein_route", (tokens,), 32, at["logits"], I(count), I(chosen), I(1), at["expert"], at["weight"])
                launch("skein_list", (1,), 1024, at["expert"], I(slots), I(count), at["start"], at["listed"], shared=4 * (count + 1))
                gate = (at["gate_up"], at["brought"], at["inners"], inner, inner // 8, hidden)
                low = (at["down"], at["inners"], at["products"], hidden, hidden // 16, inner)
                lists = (at["start"], at["listed"])
                if kernel.startswith("experts"):
                    experts(self.device, kernel, gate[0], at["x"], *gate[2:], tokens, count, *lists, chosen, GATED, True)
                    experts(self.device, kernel, *low, tokens, count, *lists, 1, FLOAT, True)
                else:
                    launch("skein_bring", (slots,), 256, at["x"], at["listed"], I(chosen), at["brought"], I(hidden // 8))
                    grouped(self.device, kernel, *gate, slots, count, at["start"], 0, GATED, True)
                    grouped(self.device, kernel, *low, slots, count, *lists, FLOAT, True)
                launch("skein_mix", (tokens,), 256, at["products"], at["weight"], I(chosen), at["out"], I(hidden))

            def peer():
                p, e = logits.softmax(1).topk(chosen)
                p = p / p.sum(1, keepdim=True)
                order = e.flatten().argsort(stable=True)
                ends = (e.flatten()[:, None] == torch.arange(count, device=CUDA)).sum(0).cumsum(0).int()
                h = nn.grouped_mm(x[order // chosen], both.transpose(1, 2), offs=ends)
                h = nn.grouped_mm(nn.silu(h[:, :inner]) * h[:, inner:], downs.transpose(1, 2), offs=ends)
                return torch.zeros(tokens, hidden, device=CUDA).index_add(0, order // chosen, h * p.flatten()[order, None])

            read = len(set(logits.topk(chosen)[1].flatten().tolist())) * 6 * inner * hidden
            theirs = [peer] * 2
            for kernel in self.expert_kernels(tokens, slots / count):
                out.zero_()
                self.device.stream = torch.cuda.current_stream().cuda_stream
                ours(kernel)
                torch.cuda.synchronize()
                name = f"experts 8 of 3 x {inner} x {hidden}, {tokens} tokens, {kernel}"
                self.check(name, out, peer(), 1e-2)
                many = tokens > 256
                theirs = self.row(name, [lambda: ours(kernel)] * 2, theirs, 6 * inner * hidden * slots if many else read,
                                  "TFLOP/s" if many else "TB/s")

    def expert_kernels(self, tokens, each):
        """As CudaExperts and CudaHopperExperts choose, or all that can."""
        have = [k for k in ("grouped_16", "grouped_32", "grouped_64", "grouped_128", "grouped_flat_256") if self.device.has("skein_" + k)]
        few = ["experts_8" if tokens <= 8 else "experts_64"]
        if ALL:
            return few + have
        if tokens <= 8 or not have:
            return few
        return [next((k for k in have if 1.5 * each <= int(k.split("_")[-1])), have[-1])]

    # Attention

    def attention(self):
        heads, kv, size = 32, 8, 128
        for batch, length in ((1, 1024), (1, 32768), (16, 1024), (64, 1024), (64, 1088), (64, 8192), (256, 1088)):
            name = f"decode attention {batch} x {length}"
            if not self.want(name):
                continue
            blocks = batch * length // 16
            cache = 2 * batch * length * kv * size
            count = min(self.copies(2 * cache), 16)
            keys = [torch.randn(cache // 2, dtype=torch.bfloat16, device=CUDA) for _ in range(count)]
            values = [torch.randn(cache // 2, dtype=torch.bfloat16, device=CUDA) for _ in range(count)]
            fused = torch.randn(batch, (heads + 2 * kv) * size, device=CUDA)
            positions = torch.full((batch,), length - 1, dtype=torch.int32, device=CUDA)
            sequence = torch.arange(batch, dtype=torch.int32, device=CUDA)
            start = torch.arange(batch + 1, dtype=torch.int32, device=CUDA) * (length // 16)
            table = torch.randperm(blocks, device=CUDA).int()
            staged, chunk = self.decode_kernel(batch * kv, length // 16) if self.device.has(f"skein_staged_{size}") else (False, 8)
            name += f", {'staged' if staged else 'attention'}, chunks of {chunk}"
            chunks = -(-length // (16 * chunk))
            partial = torch.empty(batch * heads * chunks * (size + 2), device=CUDA)
            out = torch.full((batch, heads, size), float("nan"), dtype=torch.bfloat16, device=CUDA)
            step = [t.data_ptr() for t in (fused, positions, sequence, start, table)] + [I(1 << 30), 0]
            shape = [I(heads), I(kv), F(size ** -0.5), I(chunk)]

            def ours(k, v):
                self.device.launch(f"skein_{'staged' if staged else 'attention'}_{size}", (chunks, kv, batch), 128, *step, k.data_ptr(),
                                   v.data_ptr(), *shape, partial.data_ptr(), out.data_ptr(), shared=528 * size + 256 if staged else 0,
                                   overlap=True)
                if chunks > 1:
                    self.device.launch(f"skein_attention_merge_{size}", (heads, batch), size, positions.data_ptr(), 0,
                                       I(1 << 30), I(heads), I(chunk), I(chunks), partial.data_ptr(), out.data_ptr(), overlap=True)

            self.device.stream = torch.cuda.current_stream().cuda_stream
            ours(keys[0], values[0])
            torch.cuda.synchronize()
            q = fused[:, :heads * size].bfloat16().view(batch, heads, 1, size)
            k, v = self.rows(keys[0], values[0], table, batch, length, kv, size)
            self.check(name, out, nn.scaled_dot_product_attention(q, k, v, enable_gqa=True)[:, :, 0], 1e-2)
            del k, v
            view = lambda t: t.view(batch, kv, length, size)  # contiguous, which is easier than pages
            self.row(name, [lambda k=k, v=v: ours(k, v) for k, v in zip(keys, values)],
                     [lambda k=k, v=v: nn.scaled_dot_product_attention(q, view(k), view(v), enable_gqa=True)
                      for k, v in zip(keys, values)], 2 * cache, "TB/s")

    @staticmethod
    def decode_kernel(beside, blocks):
        """As CudaAttention chooses: whether the staged kernel, and how long chunks are."""
        fills = lambda chunk: beside * -(-blocks // chunk) > 3 * 132
        if fills(96):
            return False, -(-blocks // -(-blocks // 96))
        chunk = 128
        while chunk > 8 and beside * -(-blocks // chunk) < 132 * 9 // 10:
            chunk //= 2
        return not fills(chunk), chunk

    @staticmethod
    def rows(keys, values, table, batch, length, kv, size):
        """What a cache in tiles holds, as (batch, kv, length, size)."""
        def untile(cache, turned):
            t = cache.view(-1, kv, size // 16, 8, 4, 2, 2, 2)[table.long()]  # block, head, tile, g, t, c8, r8, c
            t = t.permute(0, 1, 2, 6, 3, 5, 4, 7).reshape(-1, kv, size // 16, 16, 16)  # row = r8, g; column = c8, t, c
            t = t.transpose(3, 4) if turned else t
            return t.permute(0, 3, 1, 2, 4).reshape(batch, length, kv, size).transpose(1, 2).contiguous()
        return untile(keys, False), untile(values, True)

    def prompt(self):
        heads, kv, size, chunk, rows_of_tile = 32, 8, 128, 8, 8
        for length in (1024, 2048, 8192):
            name = f"prompt attention 1 x {length}"
            if not self.want(name):
                continue
            cache = length * kv * size
            keys, values = (torch.randn(cache, dtype=torch.bfloat16, device=CUDA) for _ in range(2))
            fused = torch.randn(length, (heads + 2 * kv) * size, device=CUDA)
            positions = torch.arange(length, dtype=torch.int32, device=CUDA)
            sequence = torch.zeros(length, dtype=torch.int32, device=CUDA)
            start = torch.tensor([0, length // 16], dtype=torch.int32, device=CUDA)
            table = torch.randperm(length // 16, device=CUDA).int()
            tiles = torch.stack([torch.arange(0, length, rows_of_tile), torch.full((length // rows_of_tile,), rows_of_tile)], 1)
            tiles = tiles.int().to(CUDA)
            out = torch.full((length, heads, size), float("nan"), dtype=torch.bfloat16, device=CUDA)

            def ours():
                self.device.launch(f"skein_prompt_{size}", (tiles.shape[0], kv), 128,
                                   *[t.data_ptr() for t in (fused, positions, sequence, start, table)], I(1 << 30),
                                   tiles.data_ptr(), keys.data_ptr(), values.data_ptr(), I(heads), I(kv), F(size ** -0.5), I(chunk),
                                   out.data_ptr(), shared=4 * (176 * size + 256), overlap=True)

            pieces = torch.stack([torch.zeros(length // 128), torch.arange(length // 128)], 1).int().to(CUDA)
            rows_of_flash = 128 // (heads // kv)
            flash_tiles = torch.stack([torch.arange(0, length, rows_of_flash), torch.full((length // rows_of_flash,), rows_of_flash)], 1)
            flash_tiles = flash_tiles.int().to(CUDA)
            images = torch.empty(2 * cache, dtype=torch.bfloat16, device=CUDA)
            last = torch.tensor([length - 1], dtype=torch.int32, device=CUDA)

            def flash():
                self.device.launch(f"skein_lay_{size}", (length // 128, kv), 256,
                                   *[t.data_ptr() for t in (pieces, positions, last, start, table, keys, values)], I(kv),
                                   images.data_ptr(), shared=512 * size, overlap=True)
                self.device.launch(f"skein_flash_{size}", (flash_tiles.shape[0], kv), 384,
                                   *[t.data_ptr() for t in (fused, positions, sequence, sequence)], I(1 << 30), flash_tiles.data_ptr(),
                                   images.data_ptr(), I(heads), I(kv), F(size ** -0.5), out.data_ptr(), shared=1536 * size + 1120,
                                   overlap=True)

            q = fused[:, :heads * size].bfloat16().view(1, length, heads, size).transpose(1, 2).contiguous()
            k, v = self.rows(keys, values, table, 1, length, kv, size)
            peer = lambda: nn.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
            theirs = [peer] * 4
            kernels = [("flash", flash)] if self.device.has(f"skein_flash_{size}") else []
            for kernel, launch in kernels + ([("prompt", ours)] if ALL or not kernels else []):
                out.fill_(float("nan"))
                self.device.stream = torch.cuda.current_stream().cuda_stream
                launch()
                torch.cuda.synchronize()
                self.check(f"{name}, {kernel}", out, peer()[0].transpose(0, 1), 1e-2)
                theirs = self.row(f"{name}, {kernel}", [launch] * 4, theirs, 2 * length * length * size * heads, "TFLOP/s")

    # Rows

    def rows_of_activations(self):
        hidden = 4096
        for tokens in (1, 64, 8192):
            name = f"rms norm {tokens} x {hidden}"
            if self.want(name):
                x = torch.randn(tokens, hidden, device=CUDA)
                weight = torch.randn(hidden, device=CUDA)
                out = torch.full((tokens, hidden), float("nan"), dtype=torch.bfloat16, device=CUDA)
                ours = lambda: self.device.launch("skein_rms_norm", (tokens,), 256, x.data_ptr(), weight.data_ptr(), F(1e-5),
                                                  out.data_ptr(), I(hidden), overlap=True)
                self.device.stream = torch.cuda.current_stream().cuda_stream
                ours()
                torch.cuda.synchronize()
                self.check(name, out, nn.rms_norm(x, (hidden,), weight, 1e-5), 1e-2)
                half, by = x.bfloat16(), weight.bfloat16()
                self.row(name, [ours] * 20, [lambda: nn.rms_norm(half, (hidden,), by, 1e-5)] * 20, 6 * tokens * hidden, "TB/s")
            name = f"rope and store {tokens} rows"
            if self.want(name):
                heads, kv, size = 32, 8, 128
                fused = torch.randn(tokens, (heads + 2 * kv) * size, device=CUDA)
                positions = torch.arange(tokens, dtype=torch.int32, device=CUDA)
                table = torch.randn(tokens, size, device=CUDA)
                keys, values = (torch.empty((tokens + 15) // 16 * 16 * kv * size, dtype=torch.bfloat16, device=CUDA) for _ in range(2))
                ours = lambda: self.device.launch(
                    "skein_rope_store", (tokens,), 1024 if tokens <= 64 else 256, fused.data_ptr(), positions.data_ptr(), positions.data_ptr(), table.data_ptr(),
                    I(size // 2), I(0), keys.data_ptr(), values.data_ptr(), I(heads), I(kv), I(size), overlap=True)
                work = tokens * size * (8 * heads + 12 * kv)
                self.row(name, [ours] * 20, None, work, "TB/s")

    def sampling(self):
        n = 128256
        for rows in (1, 64, 256):
            for how in ("greedy", "top-k 50, top-p 0.9"):
                name = f"sample {rows} x {n}, {how}"
                if not self.want(name):
                    continue
                logits = torch.randn(rows, n, device=CUDA) * 3
                slots = np.zeros((rows, 20), I)
                slots[:, 1:3] = -1
                floats = slots.view(F)
                floats[:, 5], floats[:, 7] = 1, 1
                if how != "greedy":
                    slots[:, 3] = 50
                    floats[:, 4], floats[:, 5] = 1, 0.9
                outputs = torch.from_numpy(slots).to(CUDA)
                work, weights = (torch.empty(rows, n, device=CUDA) for _ in range(2))
                results, tops = torch.empty(rows, 6, dtype=torch.int32, device=CUDA), torch.empty(2, device=CUDA)
                ours = lambda: self.device.launch("skein_sample", (rows,), 1024, logits.data_ptr(), I(n), outputs.data_ptr(), 0, 0, 0,
                                                  work.data_ptr(), weights.data_ptr(), results.data_ptr(), tops.data_ptr(),
                                                  overlap=True)
                self.device.stream = torch.cuda.current_stream().cuda_stream
                ours()
                torch.cuda.synchronize()
                if how == "greedy":
                    self.check(name, results[:, 0], logits.argmax(1), 0)
                    theirs = lambda: logits.argmax(1)
                else:
                    def theirs():
                        best, ids = logits.topk(50)
                        p = best.softmax(1)
                        p = torch.where(p.cumsum(1) - p > 0.9, 0, p)
                        return ids.gather(1, torch.multinomial(p, 1))
                self.row(name, [ours] * 10, [theirs] * 10, 4 * rows * n, "TB/s")


def main():
    bench = Bench(sys.argv[1], sys.argv[2:])
    bench.ceilings()
    for part in (bench.products, bench.four_bits, bench.gated, bench.experts, bench.attention, bench.prompt, bench.rows_of_activations, bench.sampling):
        part()
        torch.cuda.empty_cache()
    if bench.wrong:
        raise SystemExit("see the rows that say WRONG")


if __name__ == "__main__":
    main()
