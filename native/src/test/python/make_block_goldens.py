"""Makes blocks of every quantised type and the values that they stand for, for Java and C to be compared with.

    python3 make_block_goldens.py      rewrites ../resources/goldens/blocks.bin

Blocks are random bytes, so that every bit pattern occurs, but for their 16-bit float scales, which are finite. Values are
those of the package gguf (0.19.0 was used), which ggml's own authors publish. Needs Python with gguf and numpy.

The file: for each type its name in 8 bytes padded with zeros, the number of blocks and the bytes of a block and its
elements as 32-bit integers, the blocks, the values as 32-bit floats; all little endian.
"""

import pathlib
import struct

import gguf
import numpy

OUT = pathlib.Path(__file__).resolve().parent.parent / "resources" / "goldens" / "blocks.bin"
BLOCKS = 6
# Where 16-bit floats are in a block.
HALVES = {
    "Q8_0": [0],
    "Q4_0": [0],
    "Q4_1": [0, 2],
    "Q5_0": [0],
    "Q5_1": [0, 2],
    "Q2_K": [80, 82],
    "Q3_K": [108],
    "Q4_K": [0, 2],
    "Q5_K": [0, 2],
    "Q6_K": [208],
    "IQ4_NL": [0],
}


def main():
    random = numpy.random.default_rng(20)
    with OUT.open("wb") as file:
        for name, halves in HALVES.items():
            kind = gguf.GGMLQuantizationType[name]
            elements, size = gguf.GGML_QUANT_SIZES[kind]
            blocks = random.integers(0, 256, (BLOCKS, size), dtype=numpy.uint8)
            for at in halves:
                scale = random.normal(0, 0.1, BLOCKS).astype("<f2")
                blocks[:, at : at + 2] = scale.view(numpy.uint8).reshape(BLOCKS, 2)
            values = gguf.quants.dequantize(blocks, kind).astype("<f4")
            file.write(name.encode().ljust(8, b"\0") + struct.pack("<iii", BLOCKS, size, elements))
            file.write(blocks.tobytes() + values.tobytes())


if __name__ == "__main__":
    main()
