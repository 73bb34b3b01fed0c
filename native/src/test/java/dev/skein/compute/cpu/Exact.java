package dev.skein.compute.cpu;

import dev.skein.compute.AttentionShape;

/** Textbook computations in doubles. */
final class Exact {
    private Exact() {}

    /** What token i of a sequence whose fused rows start at an index sees; keys and values as 16-bit floats. */
    static float[] attention(AttentionShape shape, float[][] rows, int from, int i) {
        int size = shape.headSize();
        int group = shape.queryHeads() / shape.kvHeads();
        float[] out = new float[shape.queryHeads() * size];
        for (int head = 0; head < shape.queryHeads(); head++) {
            int keyAt = (shape.queryHeads() + head / group) * size;
            int valueAt = keyAt + shape.kvHeads() * size;
            double[] sums = new double[size];
            double all = 0;
            for (int token = 0; token <= i; token++) {
                double dot = 0;
                for (int e = 0; e < size; e++) {
                    dot += (double) rows[from + i][head * size + e] * half(rows[from + token][keyAt + e]);
                }
                double weight = Math.exp(dot * shape.scale());
                all += weight;
                for (int e = 0; e < size; e++) {
                    sums[e] += weight * half(rows[from + token][valueAt + e]);
                }
            }
            for (int e = 0; e < size; e++) {
                out[head * size + e] = (float) (sums[e] / all);
            }
        }
        return out;
    }

    private static float half(float value) {
        return Float.float16ToFloat(Float.floatToFloat16(value));
    }
}
