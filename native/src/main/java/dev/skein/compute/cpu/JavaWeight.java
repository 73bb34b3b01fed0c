package dev.skein.compute.cpu;

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
        HostBlock block = new HostBlock(part);
        for (int row = 0; row < part.rows(); row++) {
            for (int b = 0; b < part.columns() / HostBlock.SIZE; b++) {
                block.read(row, b);
                for (int token = 0; token < x.length; token++) {
                    out[token][from + row] = addBlock(out[token][from + row], block, quantised[token], b);
                }
            }
        }
    }

    private static float addBlock(float before, HostBlock block, QuantisedRow x, int b) {
        float sum = before;
        int size = HostBlock.SIZE / block.parts();
        for (int part = 0; part < block.parts(); part++) {
            int dot = 0;
            int all = 0;
            for (int i = part * size; i < (part + 1) * size; i++) {
                int v = x.v[b * HostBlock.SIZE + i];
                dot += block.q[i] * v;
                all += v;
            }
            sum = Math.fma((float) dot, block.scale[part] * x.scale[b], sum);
            if (block.hasMinimum()) {
                sum = Math.fma(block.minimum[part], x.scale[b] * all, sum);
            }
        }
        return sum;
    }
}
