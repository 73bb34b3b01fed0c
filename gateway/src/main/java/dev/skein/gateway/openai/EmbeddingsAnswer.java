package dev.skein.gateway.openai;

import dev.skein.gateway.json.JsonWriter;
import dev.skein.protocol.v1.Vector;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Base64;
import java.util.List;

/** Writes the answer of {@code /v1/embeddings}. */
public final class EmbeddingsAnswer {
    private EmbeddingsAnswer() {}

    /** One body. */
    public static void write(
            JsonWriter out, String id, long created, String model, List<Vector> vectors, boolean base64, Usage usage) {
        out.beginObject().field("id", id).field("object", "list").field("created", created);
        out.field("model", model).name("data").beginArray();
        for (int i = 0; i < vectors.size(); i++) {
            out.beginObject().field("index", i).field("object", "embedding").name("embedding");
            if (base64) {
                out.value(base64(vectors.get(i)));
            } else {
                elements(out, vectors.get(i));
            }
            out.endObject();
        }
        out.endArray().name("usage");
        usage.write(out, true);
        out.endObject();
    }

    private static void elements(JsonWriter out, Vector vector) {
        out.beginArray();
        for (int i = 0; i < vector.getElementsCount(); i++) {
            out.value(vector.getElements(i));
        }
        out.endArray();
    }

    private static String base64(Vector vector) {
        ByteBuffer bytes =
                ByteBuffer.allocate(Float.BYTES * vector.getElementsCount()).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < vector.getElementsCount(); i++) {
            bytes.putFloat(vector.getElements(i));
        }
        return Base64.getEncoder().encodeToString(bytes.array());
    }
}
