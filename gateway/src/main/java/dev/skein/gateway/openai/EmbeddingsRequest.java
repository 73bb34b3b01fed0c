package dev.skein.gateway.openai;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A body of {@code /v1/embeddings} that can be served, as far as can be said without counting ids.
 *
 * @param model the name asked for; empty for whatever is served
 * @param base64 whether vectors are written as their bytes, little-endian floats of 32 bits, in base64
 * @param dimensions elements that are wanted; null for all
 * @param normalised whether vectors are scaled to length 1; null for what the model was made for
 * @param truncation how a long input is cut; null to refuse it
 * @param addSpecialTokens whether texts get the ids that begin and end one
 * @param requestId the client's own name for the request
 */
public record EmbeddingsRequest(
        String model,
        List<Prompt> inputs,
        boolean base64,
        @Nullable Integer dimensions,
        @Nullable Boolean normalised,
        Decoding.@Nullable Truncation truncation,
        boolean addSpecialTokens,
        @Nullable String requestId) {
    /** As OpenAI has it. */
    private static final int MOST_INPUTS = 2048;

    private static final int LONGEST_REQUEST_ID = 200;

    public EmbeddingsRequest {
        inputs = List.copyOf(inputs);
    }

    /**
     * Which vectors a model has.
     *
     * @param name of the model, for the complaint
     * @param dimensions elements of a vector
     * @param shortens whether a vector's beginning is one too
     * @param shorter the only lengths that it may have; empty for all
     */
    public record Vectors(String name, int dimensions, boolean shortens, List<Integer> shorter) {
        public Vectors {
            shorter = List.copyOf(shorter);
        }

        void check(int asked) {
            if (asked < 1 || asked > dimensions) {
                throw wrong("dimensions is " + asked + ", and vectors of this model have 1 to " + dimensions);
            }
            if (asked != dimensions && !shortens) {
                throw wrong("Model \"" + name + "\" does not support matryoshka representation: its vectors of "
                        + dimensions + " elements cannot be cut to " + asked
                        + " without poor results; leave dimensions out");
            }
            if (asked != dimensions && !shorter.isEmpty() && !shorter.contains(asked)) {
                throw wrong("Model \"" + name + "\" only supports " + shorter + " matryoshka dimensions, and all "
                        + dimensions + "; dimensions is " + asked);
            }
        }

        private static ApiException wrong(String message) {
            return ApiException.bad("dimensions", message);
        }
    }

    /** @throws ApiException if it cannot be served */
    public static EmbeddingsRequest read(@Nullable Object json, Vectors vectors, int vocabulary) {
        Fields body = Fields.of(json);
        if (body.has("messages")) {
            throw ApiException.refused("messages", "A conversation as input");
        }
        String model = body.text("model");
        Integer dimensions = body.size("dimensions");
        Boolean normalised = body.has("normalize") ? Boolean.valueOf(body.flag("normalize", true)) : null;
        boolean special = body.flag("add_special_tokens", true);
        String requestId = body.text("request_id");
        boolean base64 = base64(body);
        refuseOtherNumbers(body);
        List<Prompt> inputs = Prompt.read(body, "input", MOST_INPUTS, vocabulary);
        Decoding.Truncation truncation = Truncations.read(body, false);
        body.check();
        if (dimensions != null) {
            vectors.check(dimensions);
        }
        if (requestId != null && requestId.length() > LONGEST_REQUEST_ID) {
            throw ApiException.bad(
                    "request_id", "request_id has " + requestId.length() + " characters; it may have 200");
        }
        return new EmbeddingsRequest(
                model == null ? "" : model, inputs, base64, dimensions, normalised, truncation, special, requestId);
    }

    private static boolean base64(Fields body) {
        String format = body.text("encoding_format");
        body.check();
        return switch (format) {
            case null -> false;
            case "float" -> false;
            case "base64" -> true;
            case "bytes", "bytes_only" ->
                throw ApiException.refused("encoding_format", "The encoding_format " + format);
            default ->
                throw ApiException.bad(
                        "encoding_format",
                        "encoding_format must be float or base64, got " + ApiException.shortened(format));
        };
    }

    private static void refuseOtherNumbers(Fields body) {
        String type = body.text("embed_dtype");
        String order = body.text("endianness");
        body.check();
        if (type != null && !type.equals("float32")) {
            throw ApiException.refused("embed_dtype", "An embed_dtype other than float32");
        }
        if (order != null && !order.equals("native") && !order.equals("little")) {
            throw ApiException.refused("endianness", "An endianness other than little");
        }
    }
}
