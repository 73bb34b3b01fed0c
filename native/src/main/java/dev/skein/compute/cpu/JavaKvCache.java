package dev.skein.compute.cpu;

import dev.skein.compute.KvCache;

/** Keys and values as 16-bit floats; a block's memory comes with its first token. */
final class JavaKvCache implements KvCache {
    private final Shape shape;
    /** {@code [layer * blocks + block]} of {@code [keys, values][head][token][element]}; null until written. */
    private final short[][] blocks;

    JavaKvCache(Shape shape) {
        this.shape = shape;
        blocks = new short[Math.multiplyExact(shape.layers(), shape.blocks())][];
    }

    @Override
    public Shape shape() {
        return shape;
    }

    void store(int layer, int slot, int head, float[] row, int keyAt, int valueAt) {
        short[] block = block(layer, slot / BLOCK_SIZE);
        for (int i = 0; i < shape.headSize(); i++) {
            block[at(false, head, slot % BLOCK_SIZE) + i] = Float.floatToFloat16(row[keyAt + i]);
            block[at(true, head, slot % BLOCK_SIZE) + i] = Float.floatToFloat16(row[valueAt + i]);
        }
    }

    float key(int layer, int slot, int head, int element) {
        return Float.float16ToFloat(block(layer, slot / BLOCK_SIZE)[at(false, head, slot % BLOCK_SIZE) + element]);
    }

    float value(int layer, int slot, int head, int element) {
        return Float.float16ToFloat(block(layer, slot / BLOCK_SIZE)[at(true, head, slot % BLOCK_SIZE) + element]);
    }

    private int at(boolean value, int head, int token) {
        return (((value ? shape.heads() : 0) + head) * BLOCK_SIZE + token) * shape.headSize();
    }

    private short[] block(int layer, int block) {
        int index = layer * shape.blocks() + block;
        if (blocks[index] == null) {
            blocks[index] = new short[2 * shape.heads() * BLOCK_SIZE * shape.headSize()];
        }
        return blocks[index];
    }
}
