package dev.skein.gateway.openai;

import static java.nio.charset.StandardCharsets.US_ASCII;

import dev.skein.gateway.json.JsonWriter;

/** Server-sent events whose beginning is the same in every chunk of an answer. */
final class Framing {
    static final byte[] DATA = "data: ".getBytes(US_ASCII);
    static final byte[] END = "\n\n".getBytes(US_ASCII);

    private final byte[] before;

    Framing(Answers.Head head, String object) {
        JsonWriter out = new JsonWriter();
        out.raw(DATA).beginObject();
        head(out, head, object);
        out.name("choices").beginArray();
        before = out.toBytes();
    }

    /** Up to the choices' opening bracket. */
    void begin(JsonWriter out) {
        out.raw(before);
    }

    static void end(JsonWriter out) {
        out.endObject().raw(END);
    }

    static void head(JsonWriter out, Answers.Head head, String object) {
        out.field("id", head.id()).field("object", object).field("created", head.created());
        out.field("model", head.model());
    }

    static void ids(JsonWriter out, int[] ids) {
        out.beginArray();
        for (int id : ids) {
            out.value(id);
        }
        out.endArray();
    }
}
