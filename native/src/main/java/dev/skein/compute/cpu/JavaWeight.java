package dev.skein.compute.cpu;

import dev.skein.compute.ElementType;
import dev.skein.compute.HostMatrix;
import dev.skein.compute.Weight;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Matrices in the file's own layout, copied, one below the other; those of a gated weight are gate and up. */
final class JavaWeight implements Weight {
    private final List<HostMatrix> parts;
    private final boolean gated;
    private final int rows;

    private JavaWeight(List<HostMatrix> parts, boolean gated) {
        this.parts = parts;
        this.gated = gated;
        rows = gated
                ? parts.getFirst().rows()
                : parts.stream().mapToInt(HostMatrix::rows).reduce(0, Math::addExact);
    }

    static JavaWeight stacked(List<HostMatrix> parts, Arena arena) {
        return new JavaWeight(copy(parts, arena), false);
    }

    static JavaWeight gated(HostMatrix gate, HostMatrix up, Arena arena) {
        return new JavaWeight(copy(List.of(gate, up), arena), true);
    }

    private static List<HostMatrix> copy(List<HostMatrix> parts, Arena arena) {
        List<HostMatrix> copies = new ArrayList<>();
        for (HostMatrix part : parts) {
            MemorySegment data = arena.allocate(part.data().byteSize(), 64).copyFrom(part.data());
            copies.add(new HostMatrix(part.name(), part.type(), part.rows(), part.columns(), data));
        }
        return copies;
    }

    boolean gated() {
        return gated;
    }

    @Override
    public int rows() {
        return rows;
    }

    @Override
    public int columns() {
        return parts.getFirst().columns();
    }

    @Override
    public long bytes() {
        return parts.stream().mapToLong(part -> part.data().byteSize()).sum();
    }

    /** All products with rows of activations: {@code [token][row]}, a gated weight's up below its gate. */
    float[][] times(float[][] x) {
        int all = parts.stream().mapToInt(HostMatrix::rows).sum();
        float[][] out = new float[x.length][all];
        int from = 0;
        for (HostMatrix part : parts) {
            if (part.type().blockElements() == 1) {
                timesFloats(part, x, out, from);
            } else {
                timesBlocks(part, x, out, from);
            }
            from += part.rows();
        }
        return out;
    }

    private static void timesFloats(HostMatrix part, float[][] x, float[][] out, int from) {
        float[] weights = new float[part.columns()];
        for (int row = 0; row < part.rows(); row++) {
            HostRows.read(part, row, weights);
            for (int token = 0; token < x.length; token++) {
                float sum = 0f;
                for (int k = 0; k < weights.length; k++) {
                    sum = Math.fma(weights[k], x[token][k], sum);
                }
                out[token][from + row] = sum;
            }
        }
    }

    private static void timesBlocks(HostMatrix part, float[][] x, float[][] out, int from) {
        QuantisedRow[] quantised = Arrays.stream(x).map(QuantisedRow::new).toArray(QuantisedRow[]::new);
        int[] q = new int[QuantisedRow.BLOCK];
        for (int row = 0; row < part.rows(); row++) {
            for (int block = 0; block < part.columns() / QuantisedRow.BLOCK; block++) {
                HostRows.quants(part, row, block, q);
                float d = HostRows.scale(part, row, block);
                float m = HostRows.minimum(part, row, block);
                for (int token = 0; token < x.length; token++) {
                    out[token][from + row] = addBlock(out[token][from + row], q, d, quantised[token], block);
                    if (part.type() == ElementType.Q4_1) {
                        out[token][from + row] = addMinimum(out[token][from + row], m, quantised[token], block);
                    }
                }
            }
        }
    }

    private static float addBlock(float sum, int[] q, float d, QuantisedRow x, int block) {
        int dot = 0;
        int at = block * QuantisedRow.BLOCK;
        for (int i = 0; i < QuantisedRow.BLOCK; i++) {
            dot += q[i] * x.v[at + i];
        }
        return Math.fma((float) dot, d * x.scale[block], sum);
    }

    private static float addMinimum(float sum, float m, QuantisedRow x, int block) {
        return Math.fma(m, x.scale[block] * x.sum[block], sum);
    }
}
