package dev.skein.worker.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.compute.ElementType;
import dev.skein.compute.HostMatrix;
import dev.skein.worker.service.Cards;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
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
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

final class GgufFileTest {
    private static final int MUTATIONS = 30_000;
    private static final Path NAME = Path.of("some.gguf");

    @TempDir
    private Path folder;

    @Test
    void readsKeysOfEveryType() {
        GgufWriter writer = new GgufWriter()
                .key("u8", 0, new byte[] {(byte) 200})
                .key("i8", 1, new byte[] {(byte) 200})
                .key("u16", 2, new byte[] {0, (byte) 200})
                .key("i16", 3, new byte[] {0, (byte) 200})
                .uint32("u32", 77)
                .key("i32", 5, GgufWriter.int32(-77))
                .float32("f32", 1.5f)
                .flag("yes", true)
                .text("text", "grüße")
                .texts("texts", List.of("a", "", "bc"))
                .int32s("ints", List.of(1, -2))
                .float32s("floats", List.of(0.5f))
                .key("u64", 10, GgufWriter.int64(5))
                .key("i64", 11, GgufWriter.int64(-5))
                .key("f64", 12, GgufWriter.int64(Double.doubleToRawLongBits(2.5)))
                .key("nested", 9, GgufWriter.array(9, List.of(GgufWriter.array(4, List.of(GgufWriter.int32(1))))));
        GgufMetadata keys = parse(writer.bytes()).metadata();
        assertThat(keys.keys()).hasSize(16);
        assertThat(keys.requiredInteger("u8", 0, 255)).isEqualTo(200);
        assertThat(keys.requiredInteger("i8", -128, 127)).isEqualTo(-56);
        assertThat(keys.requiredInteger("u16", 0, 65535)).isEqualTo(200 << 8);
        assertThat(keys.requiredInteger("i16", -32768, 0)).isEqualTo((200 << 8) - 65536);
        assertThat(keys.requiredInteger("u32", 0, 100)).isEqualTo(77);
        assertThat(keys.requiredInteger("i32", -100, 100)).isEqualTo(-77);
        assertThat(keys.requiredInteger("u64", -100, 100)).isEqualTo(5);
        assertThat(keys.requiredInteger("i64", -100, 100)).isEqualTo(-5);
        assertThat(keys.requiredNumber("f32", 0, 2)).isEqualTo(1.5f);
        assertThat(keys.requiredNumber("f64", 0, 3)).isEqualTo(2.5f);
        assertThat(keys.flag("yes")).contains(true);
        assertThat(keys.text("text")).contains("grüße");
        assertThat(keys.texts("texts", 3)).containsExactly("a", "", "bc");
        assertThat(keys.integers("ints", 2)).containsExactly(1, -2);
        assertThat(keys.numbers("floats", 1)).containsExactly(0.5f);
        assertThat(keys.text("none")).isEmpty();
    }

    @Test
    void namesTheKeyWhoseValueIsWrong() {
        GgufMetadata keys = parse(new GgufWriter()
                        .text("name", "x")
                        .uint32("count", 70)
                        .float32("share", Float.NaN)
                        .texts("texts", List.of("a", "b"))
                        .key("big", 10, GgufWriter.int64(-1))
                        .bytes())
                .metadata();
        assertThatThrownBy(() -> keys.requiredInteger("name", 0, 1))
                .isInstanceOf(CheckpointException.class)
                .hasMessage("some.gguf: the type of name is string, but it must be an integer");
        assertThatThrownBy(() -> keys.requiredInteger("count", 1, 64))
                .hasMessage("some.gguf: count is 70, but it may be from 1 to 64");
        assertThatThrownBy(() -> keys.requiredInteger("big", 1, 64)).hasMessageContaining("18446744073709551615");
        assertThatThrownBy(() -> keys.requiredNumber("share", 0, 1)).hasMessageContaining("share is NaN");
        assertThatThrownBy(() -> keys.texts("texts", 1)).hasMessageContaining("length of texts is 2");
        assertThatThrownBy(() -> keys.integers("texts", 9)).hasMessageContaining("an array of string");
        assertThatThrownBy(() -> keys.requiredText("none")).hasMessage("some.gguf: the key none is missing");
    }

    @ParameterizedTest
    @EnumSource(ElementType.class)
    void mapsTensorsOfEachType(ElementType type) throws IOException {
        int columns = Math.max(64, type.blockElements());
        byte[] data = TinyLlama.random(new Random(1), type, columns * 3);
        Path path = new GgufWriter()
                .tensor("first", ElementType.F32, new byte[4 * 5], 5)
                .tensor("second", type, data, columns, 3)
                .write(folder.resolve("m.gguf"));
        try (GgufFile file = GgufFile.open(path)) {
            HostMatrix matrix = file.matrix("second", 3, columns);
            assertThat(matrix.type()).isEqualTo(type);
            assertThat(matrix.data().toArray(ValueLayout.JAVA_BYTE)).isEqualTo(data);
            assertThatThrownBy(() -> file.matrix("second", columns, 3))
                    .hasMessageContaining("shape of second is [%d, 3]".formatted(columns))
                    .hasMessageContaining("[3, %d]".formatted(columns));
            assertThatThrownBy(() -> file.matrix("third", 1, 5)).hasMessageContaining("the tensor third is missing");
        }
    }

    @Test
    void saysWhatIsWrongWithAPath() {
        assertThatThrownBy(() -> GgufFile.open(folder.resolve("none.gguf")))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining("there is no file");
        assertThatThrownBy(() -> GgufFile.open(folder)).hasMessageContaining("is not a file");
    }

    static Stream<Arguments> wrongFiles() {
        byte[] start = GgufWriter.join(GgufWriter.int32(GgufHeader.MAGIC), GgufWriter.int32(3));
        byte[] data = new byte[4 * 8];
        return Stream.of(
                Arguments.of("GGML\3\0\0\0".getBytes(java.nio.charset.StandardCharsets.US_ASCII), "magic number"),
                Arguments.of(
                        GgufWriter.join(GgufWriter.int32(GgufHeader.MAGIC), GgufWriter.int32(1)),
                        "version of the header is 1"),
                Arguments.of(
                        GgufWriter.join(GgufWriter.int32(GgufHeader.MAGIC), GgufWriter.int32(3 << 24)), "big-endian"),
                Arguments.of(GgufWriter.join(start, GgufWriter.int64(-1), GgufWriter.int64(0)), "tensor count"),
                Arguments.of(GgufWriter.join(start, GgufWriter.int64(0), GgufWriter.int64(1L << 40)), "key count"),
                Arguments.of(new GgufWriter().uint32("a", 1).uint32("a", 2).bytes(), "the key a is there twice"),
                Arguments.of(new GgufWriter().key("a", 13, new byte[9]).bytes(), "value type of key 0 is 13"),
                Arguments.of(new GgufWriter().key("", 4, new byte[4]).bytes(), "length of name of key 0 is 0"),
                Arguments.of(
                        new GgufWriter()
                                .key("a", 8, GgufWriter.int64(Long.MIN_VALUE))
                                .bytes(),
                        "length of string of key 0 is 9223372036854775808"),
                Arguments.of(
                        new GgufWriter()
                                .key("a", 9, GgufWriter.join(GgufWriter.int32(12), GgufWriter.int64(1L << 61)))
                                .bytes(),
                        "array length of key 0 is 2305843009213693952"),
                Arguments.of(new GgufWriter().key("a", 9, nested(40)).bytes(), "depth of arrays of key 0 is 5"),
                Arguments.of(new GgufWriter().uint32("general.alignment", 24).bytes(), "general.alignment is 24"),
                Arguments.of(new GgufWriter().uint32("general.alignment", 0).bytes(), "general.alignment is 0"),
                Arguments.of(
                        new GgufWriter().tensor("t", 17, data, 8).bytes(), "IQ2_XS of tensor t is not supported yet"),
                Arguments.of(new GgufWriter().tensor("t", 4, data, 8).bytes(), "type 4 of tensor t is not supported"),
                Arguments.of(
                        new GgufWriter().tensor("t", ElementType.F32, data).bytes(), "number of dimensions of t is 0"),
                Arguments.of(
                        new GgufWriter()
                                .tensor("t", ElementType.F32, data, 1, 1, 1, 1, 8)
                                .bytes(),
                        "number of dimensions of t is 5"),
                Arguments.of(
                        new GgufWriter().tensor("t", ElementType.F32, data, 0).bytes(), "dimension of tensor 0 is 0"),
                Arguments.of(
                        new GgufWriter().tensor("t", ElementType.F32, data, -1).bytes(),
                        "dimension of tensor 0 is 18446744073709551615"),
                Arguments.of(
                        new GgufWriter()
                                .tensor("t", ElementType.F32, data, 1 << 30, 1 << 30, 1 << 30)
                                .bytes(),
                        "more bytes than 64 bits count"),
                Arguments.of(
                        new GgufWriter().tensor("t", ElementType.Q4_0, data, 33).bytes(), "row length of t is 33"),
                Arguments.of(
                        new GgufWriter().tensor("t", ElementType.F32, data, 9).bytes(), "tensor t would lie"),
                Arguments.of(
                        new GgufWriter()
                                .tensor("t", ElementType.F32, data, 8)
                                .tensor("t", ElementType.F32, data, 8)
                                .bytes(),
                        "the tensor t is there twice"),
                Arguments.of(
                        new GgufWriter()
                                .tensor("t", ElementType.F32, data, 16)
                                .tensor("u", ElementType.F32, data, 8)
                                .bytes(),
                        "the tensors t and u overlap"),
                Arguments.of(
                        GgufWriter.join(GgufWriter.int32(GgufHeader.MAGIC), GgufWriter.int32(0)),
                        "version of the header is 0"),
                Arguments.of(
                        GgufWriter.join(start, GgufWriter.int64(0), GgufWriter.int64(3), new byte[10]), "key count"),
                Arguments.of(
                        GgufWriter.join(start, GgufWriter.int64(2), GgufWriter.int64(0), new byte[30]), "tensor count"),
                Arguments.of(
                        new GgufWriter()
                                .key("k".repeat(1 << 16), 4, new byte[4])
                                .bytes(),
                        "length of name of key 0 is 65536"),
                Arguments.of(
                        new GgufWriter().key("a", 8, GgufWriter.int64(1000)).bytes(),
                        "length of string of key 0 is 1000"),
                Arguments.of(
                        new GgufWriter().text("a", "x").key("b", 4, new byte[0]).bytes(), "the file ends within"),
                Arguments.of(
                        new GgufWriter()
                                .key("a", 9, GgufWriter.join(GgufWriter.int32(99), GgufWriter.int64(0)))
                                .bytes(),
                        "value type of key 0 is 99"),
                Arguments.of(
                        new GgufWriter()
                                .key("a", 9, GgufWriter.array(8, List.of(GgufWriter.int64(-5))))
                                .bytes(),
                        "length of string of key 0 is 18446744073709551611"),
                Arguments.of(new GgufWriter().text("general.alignment", "32").bytes(), "general.alignment"),
                Arguments.of(
                        new GgufWriter().uint32("general.alignment", 1 << 17).bytes(), "general.alignment is 131072"),
                Arguments.of(
                        new GgufWriter().tensor("", ElementType.F32, data, 8).bytes(),
                        "length of name of tensor 0 is 0"),
                Arguments.of(
                        new GgufWriter()
                                .tensor("t".repeat(65), ElementType.F32, data, 8)
                                .bytes(),
                        "length of name of tensor 0 is 65"),
                Arguments.of(
                        new GgufWriter().tensor("t", -1, data, 8).bytes(),
                        "type 4294967295 of tensor t is not supported"),
                Arguments.of(
                        new GgufWriter().tensor("t", ElementType.Q6_K, data, 32).bytes(), "row length of t is 32"),
                Arguments.of(
                        new GgufWriter()
                                .tensor("t", ElementType.F32, data, 1L << 31)
                                .bytes(),
                        "dimension of tensor 0 is 2147483648"),
                Arguments.of(
                        GgufWriter.join(
                                start,
                                GgufWriter.int64(0),
                                GgufWriter.int64(1),
                                GgufWriter.int64(2),
                                new byte[] {(byte) 0xC3, 0x28},
                                GgufWriter.int32(4),
                                GgufWriter.int32(1)),
                        "name of key 0"));
    }

    private static byte[] nested(int depth) {
        return depth == 0 ? GgufWriter.array(4, List.of()) : GgufWriter.array(9, List.of(nested(depth - 1)));
    }

    @ParameterizedTest
    @MethodSource("wrongFiles")
    void namesWhatIsWrong(byte[] bytes, String named) {
        assertThatThrownBy(() -> parse(bytes))
                .isInstanceOf(CheckpointException.class)
                .hasMessageContaining(named);
    }

    @Test
    void refusesOffsetsThatAreNotAligned() {
        byte[] bytes =
                new GgufWriter().tensor("t", ElementType.F32, new byte[32], 8).bytes();
        GgufWriter writer = new GgufWriter().tensor("t", ElementType.F32, new byte[32], 8);
        writer.bytes();
        int offsetField = writer.boundaries().get(writer.boundaries().size() - 3) - Long.BYTES;
        bytes[offsetField] = 4;
        assertThatThrownBy(() -> parse(bytes)).hasMessageContaining("offset of t is 4");
        Arrays.fill(bytes, offsetField, offsetField + Long.BYTES, (byte) 0xe0);
        assertThatThrownBy(() -> parse(bytes)).hasMessageContaining("tensor t would lie at 16204198715729174752");
    }

    @Test
    void aFileCutAnywhereIsRefused() throws IOException {
        GgufWriter writer = TinyLlama.of(ElementType.Q4_1, 1);
        byte[] whole = writer.bytes();
        List<Integer> cuts = Stream.concat(
                        writer.boundaries().stream().limit(writer.boundaries().size() - 1),
                        new Random(2).ints(2000, 0, whole.length).boxed())
                .toList();
        for (int cut : cuts) {
            byte[] part = Arrays.copyOf(whole, cut);
            assertThatThrownBy(() -> parse(part))
                    .as("cut at %d of %d", cut, whole.length)
                    .isInstanceOf(CheckpointException.class)
                    .hasMessageStartingWith("some.gguf: ");
        }
        Path cut = Files.write(folder.resolve("cut.gguf"), Arrays.copyOf(whole, whole.length - 1));
        assertThatThrownBy(() -> GgufFile.open(cut)).hasMessageContaining("cut short");
        Path empty = Files.write(folder.resolve("empty.gguf"), new byte[0]);
        assertThatThrownBy(() -> GgufFile.open(empty)).hasMessageContaining("the file ends within magic number");
    }

    @Test
    void aSpoiltFileIsReadOrRefusedByName() {
        byte[] whole = TinyLlama.of(ElementType.Q8_0, 1).bytes();
        long seed = System.nanoTime();
        System.out.printf("GgufFileTest: %,d spoilt files from seed %d%n", MUTATIONS, seed);
        Random random = new Random(seed);
        int headerBytes = 6000;
        int refused = 0;
        for (int i = 0; i < MUTATIONS; i++) {
            byte[] bytes = whole.clone();
            for (int changes = 1 + random.nextInt(4); changes > 0; changes--) {
                spoil(bytes, random, headerBytes);
            }
            refused += understood(bytes) ? 0 : 1;
        }
        assertThat(refused).isBetween(MUTATIONS / 10, MUTATIONS);
    }

    private static void spoil(byte[] bytes, Random random, int length) {
        int at = random.nextInt(length);
        switch (random.nextInt(4)) {
            case 0 -> bytes[at] = (byte) random.nextInt();
            case 1 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
            case 2 -> Arrays.fill(bytes, at, Math.min(length, at + 8), (byte) 0xff);
            default -> bytes[at] = (byte) (bytes[at] + (random.nextBoolean() ? 1 : -1));
        }
    }

    /** Everything that reads a file's header, with nothing but CheckpointException allowed to come out. */
    private static boolean understood(byte[] bytes) {
        try {
            Checkpoint file = new GgufCheckpoint(new GgufFiles(List.of(parse(bytes))));
            Architecture architecture = Architecture.of(file);
            assertThat(architecture.cache(1).bytes()).isPositive();
            file.endTokens();
            Cards.tokenizer(file);
            return true;
        } catch (CheckpointException refused) {
            assertThat(refused).hasMessageStartingWith("some.gguf: ");
            return false;
        }
    }

    private static GgufFile parse(byte[] bytes) {
        return new GgufFile(NAME, Arena.global(), MemorySegment.ofArray(bytes));
    }
}
