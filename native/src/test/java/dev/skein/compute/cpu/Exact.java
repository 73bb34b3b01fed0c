package dev.skein.compute.cpu;

import dev.skein.compute.Activation;
import dev.skein.compute.AttentionShape;
import dev.skein.compute.HostMatrix;
import dev.skein.compute.Routing;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/** Textbook computations in doubles. */
final class Exact {
    private Exact() {}

    /** What token i of a sequence of some length, whose fused rows start at an index, sees; keys and values as 16-bit floats. */
    static float[] attention(AttentionShape shape, float[][] rows, int from, int i, int length) {
        int size = shape.headSize();
        int group = shape.queryHeads() / shape.kvHeads();
        float[] out = new float[shape.queryHeads() * size];
        for (int head = 0; head < shape.queryHeads(); head++) {
            int keyAt = (shape.queryHeads() + head / group) * size;
            int valueAt = keyAt + shape.kvHeads() * size;
            double[] sums = new double[size];
            double all = 0;
            for (int token = shape.firstSeen(i); token < (shape.seesAll() ? length : i + 1); token++) {
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

    static double activated(Activation activation, double x) {
        return switch (activation) {
            case SILU -> x / (1 + Math.exp(-x));
            case GELU_TANH -> x / 2 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
            case GELU -> x * normal(x);
        };
    }

    /** The normal distribution's function, by the series of its integral. */
    private static double normal(double x) {
        if (Math.abs(x) > 9) {
            return x < 0 ? 0 : 1;
        }
        double term = x;
        double sum = x;
        for (int i = 3; Math.abs(term) > 1e-18; i += 2) {
            term *= x * x / i;
            sum += term;
        }
        return 0.5 + sum * Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
    }

    /** A row less its mean, over its deviation, times a weight and plus a bias. */
    static double[] layerNorm(float[] x, float[] weight, float[] bias, double epsilon) {
        double mean =
                IntStream.range(0, x.length).mapToDouble(i -> x[i]).average().orElseThrow();
        double variance = IntStream.range(0, x.length)
                .mapToDouble(i -> (x[i] - mean) * (x[i] - mean))
                .average()
                .orElseThrow();
        return IntStream.range(0, x.length)
                .mapToDouble(i -> (x[i] - mean) / Math.sqrt(variance + epsilon) * weight[i] + bias[i])
                .toArray();
    }

    /** What experts add to a token's row; after its elements the sum of magnitudes that went into them. */
    static double[] experts(
            Routing routing,
            float[] logits,
            List<HostMatrix> gate,
            List<HostMatrix> up,
            List<HostMatrix> down,
            float[] x) {
        List<Integer> chosen = IntStream.range(0, logits.length)
                .boxed()
                .sorted(Comparator.comparing((Integer e) -> -logits[e]).thenComparing(e -> e))
                .limit(routing.chosen())
                .toList();
        IntStream counted = routing.normalised() ? chosen.stream().mapToInt(e -> e) : IntStream.range(0, logits.length);
        double all = counted.mapToDouble(e -> Math.exp(logits[e])).sum();
        double[] sum = new double[x.length + 1];
        for (int e : chosen) {
            double[] expert = expert(gate.get(e), up.get(e), down.get(e), x);
            for (int i = 0; i < sum.length; i++) {
                sum[i] += Math.exp(logits[e]) / all * expert[i];
            }
        }
        return sum;
    }

    private static double[] expert(HostMatrix gate, HostMatrix up, HostMatrix down, float[] x) {
        float[] inner = new float[gate.rows()];
        double size = 0;
        for (int i = 0; i < inner.length; i++) {
            double g = Lab.dot(Lab.values(gate, i), x);
            inner[i] = (float) (activated(Activation.SILU, g) * Lab.dot(Lab.values(up, i), x));
            size += Math.abs(inner[i])
                    + Lab.magnitude(Lab.values(gate, i), x) * Lab.magnitude(Lab.values(up, i), x) / 64;
        }
        double[] out = new double[x.length + 1];
        for (int i = 0; i < x.length; i++) {
            out[i] = Lab.dot(Lab.values(down, i), inner);
        }
        out[x.length] = size;
        return out;
    }

    private static float half(float value) {
        return Float.float16ToFloat(Float.floatToFloat16(value));
    }
}
