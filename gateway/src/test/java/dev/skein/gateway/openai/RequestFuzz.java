package dev.skein.gateway.openai;

import dev.skein.gateway.json.JsonException;
import dev.skein.gateway.json.JsonReader;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * For Jazzer: reads a body as JSON and as each kind of request. Only {@link JsonException} and {@link ApiException} may
 * come out, the latter as one of a client's errors.
 */
public final class RequestFuzz {
    private static final JsonReader JSON = new JsonReader(200, 1 << 20);
    private static final RequestRules RULES =
            new RequestRules(SamplingDefaults.NEUTRAL, 1000, Set.of(2), 20, 1000, true, false, false);

    private RequestFuzz() {}

    public static void fuzzerTestOneInput(byte[] body) {
        Object json;
        try {
            json = JSON.read(body);
        } catch (JsonException _) {
            return;
        }
        read(json, each -> ChatRequest.read(each, RULES));
        read(json, each -> CompletionRequest.read(each, RULES));
        read(json, each -> TokenizeRequest.read(each, RULES));
        read(json, each -> TokenizeRequest.readBack(each, RULES));
    }

    private static void read(@Nullable Object json, Consumer<@Nullable Object> kind) {
        try {
            kind.accept(json);
        } catch (ApiException refused) {
            String message = String.valueOf(refused.getMessage());
            if (refused.status() < 400 || refused.status() >= 500 || message.length() > 4096) {
                throw new AssertionError(refused.status() + " with " + message.length() + " characters", refused);
            }
        }
    }
}
