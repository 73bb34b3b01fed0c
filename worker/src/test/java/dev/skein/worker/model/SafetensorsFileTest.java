package dev.skein.worker.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

final class SafetensorsFileTest {
    private static final int MUTATIONS = 30_000;
    private static final Path NAME = Path.of("some.safetensors");
    private static final byte[] DATA = new byte[32];

    @TempDir
    private Path folder;

    @Test
    void readsTensorsOfEveryType() throws IOException {
        SafetensorsWriter writer = new SafetensorsWriter().entry("\"__metadata__\":{\"format\":\"pt\"}");
        for (SafetensorsType type : SafetensorsType.values()) {
            byte[] data = new byte[type.bytes() * 6];
            Arrays.fill(data, (byte) type.ordinal());
            writer.tensor("t." + type, type.name(), List.of(3, 2), data);
        }
        writer.tensor("scalar", "F32", List.of(), new byte[4]).tensor("none", "F32", List.of(0, 7), new byte[0]);
        try (SafetensorsFile file = SafetensorsFile.open(writer.write(folder.resolve("m.safetensors")))) {
            assertThat(file.tensors()).hasSize(SafetensorsType.values().length + 2);
            for (SafetensorsType type : SafetensorsType.values()) {
                SafetensorsTensor tensor = file.tensor("t." + type).orElseThrow();
                assertThat(tensor.type()).isEqualTo(type);
                assertThat(tensor.shape()).containsExactly(3L, 2L);
                assertThat(file.data(tensor).toArray(ValueLayout.JAVA_BYTE))
                        .hasSize(type.bytes() * 6)
                        .containsOnly((byte) type.ordinal());
            }
            assertThat(file.tensor("scalar").orElseThrow().elements()).isEqualTo(1);
            assertThat(file.tensor("none").orElseThrow().elements()).isZero();
            assertThat(file.tensor("other")).isEmpty();
        }
    }

    @Test
    void aHeaderMayEndInSpaces() {
        byte[] file = SafetensorsWriter.file("{\"t\":" + entry("F32", "[8]", "[0,32]") + "}   ", DATA);
        assertThat(parse(file).tensors()).hasSize(1);
        assertThat(parse(SafetensorsWriter.file("{}", new byte[0])).tensors()).isEmpty();
    }

    @Test
    void saysWhatIsWrongWithAPath() {
        assertThatThrownBy(() -> SafetensorsFile.open(folder.resolve("none.safetensors")))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("there is no file");
        assertThatThrownBy(() -> SafetensorsFile.open(folder)).hasMessageContaining("is not a file");
    }

    private static String entry(String type, String shape, String offsets) {
        return "{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":%s}".formatted(type, shape, offsets);
    }

    private static Arguments header(String json, String named) {
        return Arguments.of(SafetensorsWriter.file(json, DATA), named);
    }

    private static Arguments tensor(String value, String named) {
        return header("{\"t\":%s}".formatted(value), named);
    }

    static Stream<Arguments> wrongFiles() {
        byte[] good = "{\"t\":%s}".formatted(entry("F32", "[8]", "[0,32]")).getBytes(StandardCharsets.UTF_8);
        return Stream.of(
                Arguments.of(new byte[0], "ends within the header's length: it has 0 bytes"),
                Arguments.of(new byte[7], "ends within the header's length: it has 7 bytes"),
                Arguments.of(SafetensorsWriter.file(0, good, DATA), "the header's length is 0"),
                Arguments.of(SafetensorsWriter.file(-1, good, DATA), "the header's length is 18446744073709551615"),
                Arguments.of(SafetensorsWriter.file(100_000_001, good, DATA), "the header's length is 100000001"),
                Arguments.of(SafetensorsWriter.file(good.length + 33, good, DATA), "bytes are left"),
                Arguments.of(SafetensorsWriter.file(good.length - 1, good, DATA), "the header is not JSON"),
                Arguments.of(SafetensorsWriter.file(good.length + 1, good, DATA), "the header is not JSON"),
                header("[]", "the first byte of the header is 0x5b"),
                header(" {}", "the first byte of the header is 0x20"),
                header("{\"t\":1", "the header is not JSON"),
                header("{\"t\":NaN}", "the header is not JSON"),
                header("{" + "\"a\":[".repeat(100), "the header is not JSON"),
                header("{\"t\":{},\"t\":{}}", "Duplicate"),
                header("{\"" + "n".repeat(5000) + "\":{}}", "the header is not JSON"),
                header("{\"" + "n".repeat(1025) + "\":{}}", "the length of a tensor's name is 1025"),
                header("{\"\":{}}", "the length of a tensor's name is 0"),
                tensor("7", "the entry of t is not an object"),
                tensor("{\"dtype\":\"F32\",\"shape\":[8]}", "the entry of t is not an object"),
                tensor(entry("F33", "[8]", "[0,32]"), "dtype of t is F33"),
                tensor("{\"dtype\":5,\"shape\":[8],\"data_offsets\":[0,32]}", "dtype of t is 5"),
                tensor(entry("F32", "8", "[0,32]"), "shape of t is 8"),
                tensor(entry("F32", "[1,1,1,1,1,1,1,1,8]", "[0,32]"), "shape of t is [1,1"),
                tensor(entry("F32", "[-8]", "[0,32]"), "a dimension of t is -8"),
                tensor(entry("F32", "[8.0]", "[0,32]"), "a dimension of t is 8.0"),
                tensor(entry("F32", "[2147483648]", "[0,32]"), "a dimension of t is 2147483648"),
                tensor(
                        entry("F32", "[2147483647,2147483647,2147483647]", "[0,32]"),
                        "that is more bytes than 64 bits count"),
                tensor(entry("F32", "[7]", "[0,32]"), "the size of t is 32, but [7] of F32 take 28 bytes"),
                tensor(entry("F32", "[8]", "[0]"), "data_offsets of t is [0]"),
                tensor(entry("F32", "[8]", "[-4,28]"), "data_offsets of t is [-4,28]"),
                tensor(entry("F32", "[8]", "[32,0]"), "data_offsets of t is [32, 0]"),
                tensor(entry("F32", "[8]", "[4,36]"), "the file has 32 bytes of data"),
                tensor(entry("F32", "[8]", "[0,9223372036854775808]"), "data_offsets of t is [0,9223372036854775808]"),
                tensor(entry("F32", "[8]", "[\"0\",32]"), "data_offsets of t is [\"0\",32]"),
                tensor(entry("F32", "[4]", "[16,32]"), "the data before it ends at 0"),
                tensor(entry("F32", "[4]", "[0,16]"), "the size of the file is"),
                header(
                        "{\"t\":%s,\"u\":%s}".formatted(entry("F32", "[8]", "[0,32]"), entry("F32", "[4]", "[16,32]")),
                        "data_offsets of u is 16, but the data before it ends at 32"),
                header("{\"t\":%s}".formatted(entry("F32", "[" + "9".repeat(99) + "]", "[0,32]")), "not JSON"));
    }

    @ParameterizedTest
    @MethodSource("wrongFiles")
    void namesWhatIsWrong(byte[] bytes, String named) {
        assertThatThrownBy(() -> parse(bytes))
                .isInstanceOf(CheckpointException.class)
                .hasMessageStartingWith("some.safetensors: ")
                .hasMessageContaining(named);
    }

    @Test
    void aFileCutAnywhereIsRefused() {
        byte[] whole = two();
        for (int cut = 0; cut < whole.length; cut++) {
            byte[] part = Arrays.copyOf(whole, cut);
            assertThatThrownBy(() -> parse(part)).as("cut at %d", cut).isInstanceOf(CheckpointException.class);
        }
    }

    @Test
    void aSpoiltFileIsReadOrRefusedByName() {
        byte[] whole = two();
        long seed = System.nanoTime();
        System.out.printf("SafetensorsFileTest: %,d spoilt files from seed %d%n", MUTATIONS, seed);
        Random random = new Random(seed);
        int refused = 0;
        for (int i = 0; i < MUTATIONS; i++) {
            byte[] bytes = whole.clone();
            for (int changes = 1 + random.nextInt(3); changes > 0; changes--) {
                bytes[random.nextInt(bytes.length - 64)] = (byte) random.nextInt();
            }
            refused += understood(bytes) ? 0 : 1;
        }
        assertThat(refused).isBetween(MUTATIONS / 10, MUTATIONS);
    }

    private static boolean understood(byte[] bytes) {
        try {
            SafetensorsFile file = parse(bytes);
            file.tensors()
                    .forEach(tensor -> assertThat(file.data(tensor).byteSize()).isEqualTo(tensor.bytes()));
            return true;
        } catch (CheckpointException refused) {
            assertThat(refused).hasMessageStartingWith("some.safetensors: ");
            return false;
        }
    }

    private static byte[] two() {
        return new SafetensorsWriter()
                .entry("\"__metadata__\":{\"format\":\"pt\"}")
                .tensor("first", "F32", List.of(2, 4), new byte[32])
                .tensor("second", "BF16", List.of(16), new byte[32])
                .bytes();
    }

    @Test
    void anEmptyFileIsRefused() throws IOException {
        Path empty = Files.write(folder.resolve("empty.safetensors"), new byte[0]);
        assertThatThrownBy(() -> SafetensorsFile.open(empty)).hasMessageContaining("cut short");
    }

    private static SafetensorsFile parse(byte[] bytes) {
        return new SafetensorsFile(NAME, Arena.global(), MemorySegment.ofArray(bytes));
    }
}
