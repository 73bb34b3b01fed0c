package dev.skein.gateway.openai;

import dev.skein.gateway.json.JsonWriter;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A request that gets no answer but an error: {@code {"error": {"message", "type", "param", "code"}}}, where code is
 * the HTTP status. Without a stack trace: it tells about the client's input, not about a place in the code.
 */
public final class ApiException extends RuntimeException {
    private final int status;
    private final String type;
    private final @Nullable String param;

    public ApiException(int status, String type, String message, @Nullable String param) {
        super(message, null, false, false);
        this.status = status;
        this.type = type;
        this.param = param;
    }

    /** A value that its field does not take. */
    public static ApiException bad(@Nullable String param, String message) {
        return new ApiException(400, "BadRequestError", message, param);
    }

    /** A body of the wrong shape; {@code errors} each begin with the path of what is wrong. */
    public static ApiException shape(List<String> errors, @Nullable String param) {
        String count = errors.size() == 1 ? "1 validation error: " : errors.size() + " validation errors: ";
        return new ApiException(400, "Bad Request", count + String.join("; ", errors), param);
    }

    /** A field that is known and not served yet. */
    public static ApiException refused(String param, String what) {
        return bad(param, what + " is not supported by this server yet; leave " + param + " out");
    }

    public static ApiException unknownModel(String model, List<String> served) {
        return new ApiException(
                404,
                "NotFoundError",
                "The model `" + shortened(model) + "` does not exist; served: " + String.join(", ", served),
                "model");
    }

    /** The way HTTP itself says it: 404, 405, 413 ... */
    public static ApiException http(int status, String phrase, String message) {
        return new ApiException(status, phrase, message, null);
    }

    /** Too much to do at the moment, or nobody there who could; worth another try. */
    public static ApiException unavailable(String message) {
        return new ApiException(503, "ServiceUnavailableError", message, null);
    }

    /** It ran, and its time was up before it was done. */
    public static ApiException timeout(String message) {
        return new ApiException(504, "TimeoutError", message, null);
    }

    public static ApiException internal(String message) {
        return new ApiException(500, "InternalServerError", message, null);
    }

    public int status() {
        return status;
    }

    public String type() {
        return type;
    }

    public @Nullable String param() {
        return param;
    }

    /** The error body. */
    public void write(JsonWriter out) {
        out.beginObject().name("error").beginObject();
        out.field("message", getMessage())
                .field("type", type)
                .field("param", param)
                .field("code", status);
        out.endObject().endObject();
    }

    /** At most 100 characters of what a client sent, to be told back. */
    static String shortened(String text) {
        return text.length() <= 100 ? text : text.substring(0, 100) + "…";
    }
}
