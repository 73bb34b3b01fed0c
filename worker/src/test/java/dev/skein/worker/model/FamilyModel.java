package dev.skein.worker.model;

import static java.util.Objects.requireNonNull;

import dev.skein.compute.ElementType;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A golden of {@code make_families.py}, and the models that it is about: their weights are made here by the same function
 * of their names.
 */
public final class FamilyModel {
    private final String name;
    private final JsonNode golden;

    private record Tensor(String name, List<Integer> shape, float base, float scale, String gguf) {
        int elements() {
            return shape.stream().reduce(1, Math::multiplyExact);
        }

        int columns() {
            return shape.getLast();
        }

        /** All are such that BF16 holds them exactly. */
        float[] values() {
            long seed = 0xcbf29ce484222325L;
            for (byte each : name.getBytes(StandardCharsets.UTF_8)) {
                seed = (seed ^ each) * 0x100000001b3L;
            }
            float[] values = new float[elements()];
            for (int i = 0; i < values.length; i++) {
                long z = seed + (i + 1) * 0x9e3779b97f4a7c15L;
                z = (z ^ z >>> 30) * 0xbf58476d1ce4e5b9L;
                z = (z ^ z >>> 27) * 0x94d049bb133111ebL;
                z ^= z >>> 31;
                values[i] = base + scale * ((z >>> 56 & 0xfe) / 128f - 1);
            }
            return values;
        }
    }

    public FamilyModel(String name) {
        this.name = name;
        try (InputStream in = FamilyModel.class.getResourceAsStream("/goldens/families/%s.json".formatted(name))) {
            golden = JsonMapper.shared().readTree(requireNonNull(in, name));
        } catch (IOException unreadable) {
            throw new UncheckedIOException(unreadable);
        }
    }

    public JsonNode prompts() {
        return golden.get("prompts");
    }

    /** Ids, and what poolings make of their states. */
    public JsonNode texts() {
        return golden.get("texts");
    }

    /** What transformers wrote as config.json. */
    public JsonNode config() {
        return golden.get("config");
    }

    private List<Tensor> tensors() {
        return golden.get("tensors").values().stream()
                .map(each -> new Tensor(
                        each.get(0).stringValue(),
                        each.get(1).values().stream().map(JsonNode::intValue).toList(),
                        each.get(2).floatValue(),
                        each.get(3).floatValue(),
                        each.get(4).asString("")))
                .toList();
    }

    /** A Hugging Face folder with its tensors in one file. */
    public Path folder(Path into, ElementType type) {
        return folder(into, type, 1);
    }

    /** A Hugging Face folder with its tensors spread over some files. */
    public Path folder(Path into, ElementType type, int files) {
        try {
            Files.createDirectories(into);
            Files.writeString(into.resolve("config.json"), config().toString());
            List<SafetensorsWriter> writers = IntStream.range(0, files)
                    .mapToObj(_ -> new SafetensorsWriter())
                    .toList();
            Map<String, String> index = new LinkedHashMap<>();
            List<Tensor> tensors = tensors();
            for (int i = 0; i < tensors.size(); i++) {
                Tensor tensor = tensors.get(i);
                writers.get(i % files).tensor(tensor.name, type.name(), tensor.shape, bytes(tensor.values(), type));
                index.put(tensor.name, fileName(i % files, files));
            }
            for (int i = 0; i < files; i++) {
                writers.get(i).write(into.resolve(fileName(i, files)));
            }
            if (files > 1) {
                Files.writeString(
                        into.resolve("model.safetensors.index.json"),
                        JsonMapper.shared().writeValueAsString(Map.of("weight_map", index)));
            }
            return into;
        } catch (IOException full) {
            throw new UncheckedIOException(full);
        }
    }

    private static String fileName(int index, int files) {
        return files == 1 ? "model.safetensors" : "model-%05d-of-%05d.safetensors".formatted(index + 1, files);
    }

    static byte[] bytes(float[] values, ElementType type) {
        ByteBuffer bytes =
                ByteBuffer.allocate((int) type.rowBytes(values.length)).order(ByteOrder.LITTLE_ENDIAN);
        for (float value : values) {
            switch (type) {
                case F32 -> bytes.putFloat(value);
                case F16 -> bytes.putShort(Float.floatToFloat16(value));
                case BF16 -> bytes.putShort((short) (Float.floatToRawIntBits(value) >>> 16));
                default -> throw new IllegalArgumentException(type.toString());
            }
        }
        return bytes.array();
    }

    /** Whether a GGUF file can say all that this model's config says. */
    public boolean hasGguf() {
        return !golden.get("gguf").isNull();
    }

    /**
     * The same model as llama.cpp's converters would write it: rows of Q and K of the architecture llama put so that
     * rotated pairs are neighbours, Gemma's norms more by one, experts behind each other.
     */
    public GgufWriter gguf() {
        GgufWriter writer = new GgufWriter();
        golden.get("gguf").get("keys").forEachEntry((key, entry) -> key(writer, key, entry));
        Map<String, List<Tensor>> byName = new LinkedHashMap<>();
        tensors().stream()
                .filter(each -> !each.gguf.isEmpty())
                .forEach(each -> byName.computeIfAbsent(each.gguf, _ -> new ArrayList<>())
                        .add(each));
        byName.forEach((key, parts) -> tensor(writer, key, parts));
        JsonNode divisors = golden.get("gguf").get("rope_freqs");
        if (!divisors.isNull()) {
            float[] values = new float[divisors.size()];
            for (int i = 0; i < values.length; i++) {
                values[i] = divisors.get(i).floatValue();
            }
            writer.tensor("rope_freqs.weight", ElementType.F32, bytes(values, ElementType.F32), values.length);
        }
        return writer;
    }

    private static void key(GgufWriter writer, String key, JsonNode entry) {
        JsonNode value = entry.get(1);
        switch (entry.get(0).intValue()) {
            case 4 -> writer.uint32(key, value.intValue());
            case 7 -> writer.flag(key, value.booleanValue());
            case 6 -> writer.float32(key, value.floatValue());
            case 8 -> writer.text(key, value.stringValue());
            default -> throw new IllegalArgumentException(key + " has a type that no golden had");
        }
    }

    private void tensor(GgufWriter writer, String key, List<Tensor> parts) {
        Tensor first = parts.getFirst();
        ByteBuffer data = ByteBuffer.allocate(Float.BYTES * first.elements() * parts.size());
        parts.forEach(each -> data.put(bytes(converted(each), ElementType.F32)));
        List<Long> dimensions = new ArrayList<>();
        first.shape.reversed().forEach(each -> dimensions.add((long) each));
        if (key.contains("_exps")) {
            dimensions.add((long) parts.size());
        }
        writer.tensor(
                key,
                ElementType.F32,
                data.array(),
                dimensions.stream().mapToLong(Long::longValue).toArray());
    }

    private float[] converted(Tensor tensor) {
        float[] values = tensor.values();
        if (name.equals("gemma3") && tensor.name.endsWith("norm.weight")) {
            for (int i = 0; i < values.length; i++) {
                values[i] += 1;
            }
        }
        boolean llama = name.equals("llama") || name.equals("mixtral");
        boolean turned = tensor.name.contains("q_proj") || tensor.name.contains("k_proj");
        return llama && turned ? neighbours(tensor, values) : values;
    }

    private float[] neighbours(Tensor tensor, float[] values) {
        int head = config().get("hidden_size").intValue()
                / config().get("num_attention_heads").intValue();
        int columns = tensor.columns();
        float[] turned = new float[values.length];
        for (int row = 0; row < tensor.shape.getFirst(); row++) {
            int within = row % head;
            int to = row - within + (within < head / 2 ? 2 * within : 2 * (within - head / 2) + 1);
            System.arraycopy(values, row * columns, turned, to * columns, columns);
        }
        return turned;
    }
}
