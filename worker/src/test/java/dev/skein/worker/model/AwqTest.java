package dev.skein.worker.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.skein.compute.ElementType;
import dev.skein.compute.HostMatrix;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Matrices packed here column by column, as AutoAWQ does, and unpacked by the reader. */
final class AwqTest {
    private static final int IN = 128;
    private static final int OUT = 24;
    private static final int GROUP = 64;
    private static final int GROUPS = IN / GROUP;
    /** Which column of eight the i-th four bits hold. */
    private static final int[] ORDER = {0, 2, 4, 6, 1, 3, 5, 7};

    private static final String STEM = "model.layers.0.self_attn.q_proj.";

    @TempDir
    private Path folder;

    private final Random random = new Random(5);
    private final int[][] quants = numbers(IN);
    private final int[][] zeros = numbers(GROUPS);
    private final float[][] scales = new float[GROUPS][OUT];

    private int[][] numbers(int rows) {
        int[][] numbers = new int[rows][OUT];
        for (int[] row : numbers) {
            for (int i = 0; i < OUT; i++) {
                row[i] = random.nextInt(16);
            }
        }
        return numbers;
    }

    @BeforeEach
    void writeConfig() throws IOException {
        for (float[] row : scales) {
            for (int i = 0; i < OUT; i++) {
                row[i] = Float.float16ToFloat(Float.floatToFloat16(0.01f + random.nextFloat()));
            }
        }
        config("{\"quant_method\":\"awq\",\"bits\":4,\"group_size\":64,\"version\":\"gemm\",\"zero_point\":true}");
    }

    private void config(String quantisation) throws IOException {
        String llama = new FamilyModel("llama").config().toString();
        Files.writeString(
                folder.resolve("config.json"),
                llama.replaceFirst("\\{", "{\"quantization_config\":" + quantisation + ","));
    }

    private static byte[] packed(int[][] rows) {
        ByteBuffer bytes = ByteBuffer.allocate(rows.length * OUT / 2).order(ByteOrder.LITTLE_ENDIAN);
        for (int[] row : rows) {
            for (int column = 0; column < OUT; column += 8) {
                int word = 0;
                for (int i = 0; i < 8; i++) {
                    word |= row[column + ORDER[i]] << 4 * i;
                }
                bytes.putInt(word);
            }
        }
        return bytes.array();
    }

    private byte[] scaleBytes() {
        ByteBuffer bytes = ByteBuffer.allocate(2 * GROUPS * OUT).order(ByteOrder.LITTLE_ENDIAN);
        for (float[] row : scales) {
            for (float scale : row) {
                bytes.putShort(Float.floatToFloat16(scale));
            }
        }
        return bytes.array();
    }

    private SafetensorsWriter parts() {
        return new SafetensorsWriter()
                .tensor(STEM + "qweight", "I32", List.of(IN, OUT / 8), packed(quants))
                .tensor(STEM + "qzeros", "I32", List.of(GROUPS, OUT / 8), packed(zeros));
    }

    private Checkpoint open(SafetensorsWriter writer) {
        writer.write(folder.resolve("model.safetensors"));
        return Checkpoint.open(folder);
    }

    @Test
    void everyElementIsWhatItsPartsSay() {
        try (Checkpoint checkpoint = open(parts().tensor(STEM + "scales", "F16", List.of(GROUPS, OUT), scaleBytes()))) {
            assertThat(checkpoint.type("blk.0.attn_q.weight", OUT, IN)).isEqualTo(ElementType.Q4_1);
            assertThat(checkpoint.tensors()).containsExactly("blk.0.attn_q.weight");
            assertThat(checkpoint.parameters()).isEqualTo(IN * OUT);
            assertThat(checkpoint.quantization()).isEqualTo("AWQ");
            HostMatrix matrix = checkpoint.matrix("blk.0.attn_q.weight", OUT, IN, Arena.ofAuto());
            for (int out = 0; out < OUT; out++) {
                for (int in = 0; in < IN; in++) {
                    float scale = scales[in / GROUP][out];
                    float expected = (quants[in][out] - zeros[in / GROUP][out]) * scale;
                    assertThat(element(matrix, out, in))
                            .as("output %d of input %d", out, in)
                            .isEqualTo(expected, within(scale / 128));
                }
            }
        }
    }

    /** As the block's definition says it. */
    private static float element(HostMatrix matrix, int row, int column) {
        long block = row * matrix.type().rowBytes(matrix.columns()) + column / 32 * 20L;
        float scale = Float.float16ToFloat(matrix.data().get(ValueLayout.JAVA_SHORT_UNALIGNED, block));
        float least = Float.float16ToFloat(matrix.data().get(ValueLayout.JAVA_SHORT_UNALIGNED, block + 2));
        byte pair = matrix.data().get(ValueLayout.JAVA_BYTE, block + 4 + column % 16);
        return scale * (column % 32 < 16 ? pair & 15 : pair >> 4 & 15) + least;
    }

    @Test
    void partsMustFit() {
        refused(parts(), "the tensor %sscales is missing".formatted(STEM));
        refused(
                parts().tensor(STEM + "scales", "F32", List.of(GROUPS, OUT), new byte[4 * GROUPS * OUT]),
                "the type of %sscales is F32".formatted(STEM));
        refused(
                parts().tensor(STEM + "scales", "F16", List.of(GROUPS, OUT / 2), new byte[GROUPS * OUT]),
                "the shape of %sscales is [2, 12]".formatted(STEM));
        refused(
                parts().tensor(STEM + "scales", "F16", List.of(3, OUT), new byte[6 * OUT]),
                "the shape of %sqzeros is [2, 3]".formatted(STEM));
        refused(
                new SafetensorsWriter()
                        .tensor(STEM + "qweight", "I32", List.of(IN / 2, OUT / 8), new byte[IN * OUT / 4])
                        .tensor(STEM + "qzeros", "I32", List.of(GROUPS, OUT / 8), packed(zeros))
                        .tensor(STEM + "scales", "F16", List.of(GROUPS, OUT), scaleBytes()),
                "the shape of %sqweight is [64, 3], but config.json asks for [128, 3]".formatted(STEM));
    }

    private void refused(SafetensorsWriter writer, String named) {
        try (Checkpoint checkpoint = open(writer)) {
            assertThatThrownBy(() -> checkpoint.type("blk.0.attn_q.weight", OUT, IN))
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageContaining(named);
        }
    }

    @Test
    void otherLayoutsAreRefused() throws IOException {
        parts().write(folder.resolve("model.safetensors"));
        config("{\"quant_method\":\"awq\",\"version\":\"gemv\"}");
        assertThatThrownBy(() -> Checkpoint.open(folder)).hasMessageContaining("quantization_config.version is gemv");
        config("{\"quant_method\":\"awq\",\"bits\":8}");
        assertThatThrownBy(() -> Checkpoint.open(folder)).hasMessageContaining("quantization_config.bits is 8");
        config("{\"quant_method\":\"awq\",\"zero_point\":false}");
        assertThatThrownBy(() -> Checkpoint.open(folder)).hasMessageContaining("zero_point is false");
    }
}
