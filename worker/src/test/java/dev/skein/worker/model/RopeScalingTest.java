package dev.skein.worker.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.skein.compute.ElementType;
import dev.skein.compute.Rope;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;
import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.Test;

/** Against ROPE_INIT_FUNCTIONS of transformers 5.23.0, for a head of 32 elements and base 10000. */
final class RopeScalingTest {
    private static final int HEAD = 32;
    private static final int CONTEXT = 4096;
    private static final Percentage CLOSE = Percentage.withPercentage(1e-4);

    /** factor 4, original_max_position_embeddings 1024. */
    private static final double[] YARN = {
        1.0, 0.56234133, 0.31622776, 0.15877494, 0.078571431, 0.038158871, 0.018070158, 0.0082562976,
        0.0035714284, 0.0014058533, 0.00079056947, 0.00044456986, 0.00025000001, 0.00014058533, 7.9056947e-05,
                4.4456985e-05
    };

    private static final double YARN_MAGNITUDE = 1.138629436111989;

    /** factor 8, low_freq_factor 1, high_freq_factor 4, original_max_position_embeddings 512. */
    private static final double[] LLAMA3 = {
        1.0, 0.56234133, 0.31622776, 0.17782794, 0.1, 0.056234129, 0.018496677, 0.00455203,
        0.00125, 0.00070292666, 0.00039528473, 0.00022228493, 0.00012500001, 7.0292663e-05, 3.9528473e-05, 2.2228493e-05
    };

    @Test
    void unscaled() {
        assertRope(rope(new GgufWriter()), plain(1), 1);
        assertRope(rope(new GgufWriter().text("llama.rope.scaling.type", "none")), plain(1), 1);
    }

    @Test
    void linear() {
        GgufWriter keys =
                new GgufWriter().text("llama.rope.scaling.type", "linear").float32("llama.rope.scaling.factor", 4);
        assertRope(rope(keys), plain(4), 1);
        assertRope(rope(new GgufWriter().float32("llama.rope.scale_linear", 2)), plain(2), 1);
    }

    @Test
    void yarn() {
        GgufWriter keys = yarnKeys();
        assertRope(rope(keys), YARN, YARN_MAGNITUDE);
        assertRope(rope(yarnKeys().float32("llama.rope.scaling.attn_factor", 0.5f)), YARN, YARN_MAGNITUDE / 2);
    }

    private static GgufWriter yarnKeys() {
        return new GgufWriter()
                .text("llama.rope.scaling.type", "yarn")
                .float32("llama.rope.scaling.factor", 4)
                .uint32("llama.rope.scaling.original_context_length", 1024);
    }

    @Test
    void llama3ByItsTensor() {
        ByteBuffer divisors = ByteBuffer.allocate(4 * HEAD / 2).order(ByteOrder.LITTLE_ENDIAN);
        double[] plain = plain(1);
        for (int i = 0; i < LLAMA3.length; i++) {
            divisors.putFloat((float) (plain[i] / LLAMA3[i]));
        }
        assertRope(
                rope(new GgufWriter().tensor("rope_freqs.weight", ElementType.F32, divisors.array(), HEAD / 2)),
                LLAMA3,
                1);
    }

    @Test
    void refusesDivisorsThatAreNone() {
        GgufWriter zeros = new GgufWriter().tensor("rope_freqs.weight", ElementType.F32, new byte[2 * HEAD], HEAD / 2);
        assertThatThrownBy(() -> rope(zeros))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("rope_freqs.weight");
    }

    private static double[] plain(double factor) {
        double[] frequencies = new double[HEAD / 2];
        for (int i = 0; i < frequencies.length; i++) {
            frequencies[i] = 1 / Math.pow(10000, 2.0 * i / HEAD) / factor;
        }
        return frequencies;
    }

    private static Rope rope(GgufWriter writer) {
        GgufFile file = new GgufFile(Path.of("some.gguf"), Arena.global(), MemorySegment.ofArray(writer.bytes()));
        return new GgufRope(new GgufFiles(List.of(file)), "llama", HEAD).rope(CONTEXT);
    }

    private static void assertRope(Rope rope, double[] frequencies, double magnitude) {
        assertThat(rope.interleaved()).isTrue();
        assertThat((double) rope.magnitude()).isEqualTo(magnitude, within(1e-6));
        assertThat(rope.inverseFrequencies()).hasSameSizeAs(frequencies);
        for (int i = 0; i < frequencies.length; i++) {
            assertThat((double) rope.inverseFrequencies()[i]).as("pair %d", i).isCloseTo(frequencies[i], CLOSE);
        }
    }
}
