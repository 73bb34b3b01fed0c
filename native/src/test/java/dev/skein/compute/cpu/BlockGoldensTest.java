package dev.skein.compute.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.skein.compute.ElementType;
import dev.skein.compute.HostMatrix;
import dev.skein.compute.StepInputs;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Blocks against the values that the package gguf gives them, made by {@code make_block_goldens.py}. */
class BlockGoldensTest {
    private record Golden(ElementType type, byte[] blocks, int count, float[] values) {}

    private static List<Golden> goldens() throws IOException {
        List<Golden> goldens = new ArrayList<>();
        try (InputStream in = BlockGoldensTest.class.getResourceAsStream("/goldens/blocks.bin")) {
            ByteBuffer file = ByteBuffer.wrap(in.readAllBytes()).order(ByteOrder.LITTLE_ENDIAN);
            while (file.hasRemaining()) {
                goldens.add(next(file));
            }
        }
        return goldens;
    }

    private static Golden next(ByteBuffer file) {
        byte[] name = new byte[8];
        file.get(name);
        ElementType type = ElementType.valueOf(new String(name, StandardCharsets.US_ASCII).replace("\0", ""));
        int count = file.getInt();
        assertThat(file.getInt()).isEqualTo(type.blockBytes());
        assertThat(file.getInt()).isEqualTo(type.blockElements());
        byte[] blocks = new byte[count * type.blockBytes()];
        file.get(blocks);
        float[] values = new float[count * type.blockElements()];
        for (int i = 0; i < values.length; i++) {
            values[i] = file.getFloat();
        }
        return new Golden(type, blocks, count, values);
    }

    @Test
    void everyQuantisedTypeIsThere() throws IOException {
        assertThat(goldens().stream().map(Golden::type))
                .containsExactlyInAnyOrderElementsOf(Arrays.stream(ElementType.values())
                        .filter(type -> type.blockElements() > 1)
                        .toList());
    }

    /** Blocks as rows of a table, and all of them as one row. */
    @ParameterizedTest
    @MethodSource("dev.skein.compute.cpu.Kinds#all")
    void values(Kinds.Kind kind) throws IOException {
        for (Golden golden : goldens()) {
            assertThat(embedded(kind, golden, golden.count))
                    .as("%s, block by block", golden.type)
                    .isEqualTo(golden.values);
            assertThat(embedded(kind, golden, 1))
                    .as("%s, in a row", golden.type)
                    .isEqualTo(golden.values);
        }
    }

    private static float[] embedded(Kinds.Kind kind, Golden golden, int rows) {
        int columns = golden.values.length / rows;
        float[] all = new float[golden.values.length];
        try (HostBackend backend = kind.make();
                Arena arena = Arena.ofShared()) {
            MemorySegment data = arena.allocate(golden.blocks.length).copyFrom(MemorySegment.ofArray(golden.blocks));
            HostBuffer out = (HostBuffer) backend.buffer(rows, columns);
            StepInputs step = new StepInputs(new StepInputs.Limits(rows, 1, 1, 1, 1));
            step.sequence();
            step.block(0);
            for (int row = 0; row < rows; row++) {
                step.token(row, row, row);
            }
            backend.begin(step);
            backend.embed(backend.table(new HostMatrix("golden", golden.type, rows, columns, data)), 1, out);
            backend.finish();
            for (int row = 0; row < rows; row++) {
                System.arraycopy(out.row(row), 0, all, row * columns, columns);
            }
        }
        return all;
    }
}
