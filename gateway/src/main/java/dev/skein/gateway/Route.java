package dev.skein.gateway;

import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * What can be asked for.
 *
 * <p>Once there is an API key, all of it needs the key but the few that say whether the server lives.
 */
enum Route {
    CHAT("/v1/chat/completions", "POST"),
    COMPLETIONS("/v1/completions", "POST"),
    EMBEDDINGS("/v1/embeddings", "POST"),
    MODELS("/v1/models", "GET"),
    /** {@code /v1/models/NAME}, where a name may hold slashes. */
    MODEL("/v1/models/{model}", "GET"),
    TOKENIZE("/tokenize", "POST"),
    DETOKENIZE("/detokenize", "POST"),
    LOAD("/load", "GET"),
    STATUS("/skein/status", "GET"),
    /** A page that shows what {@link #STATUS} says; it says nothing itself, so it needs no key. */
    PAGE("/skein", "GET"),
    HEALTH("/health", "GET"),
    PING("/ping", "GET", "POST"),
    VERSION("/version", "GET"),
    METRICS("/metrics", "GET");

    private static final String ONE_MODEL = "/v1/models/";
    private static final Map<String, Route> BY_PATH =
            Stream.of(values()).collect(Collectors.toUnmodifiableMap(route -> route.path, route -> route));

    private final String path;
    private final List<String> methods;

    Route(String path, String... methods) {
        this.path = path;
        this.methods = List.of(methods);
    }

    static @Nullable Route of(String path) {
        Route route = BY_PATH.get(path);
        if (route == null && path.startsWith(ONE_MODEL) && path.length() > ONE_MODEL.length()) {
            return MODEL;
        }
        return route;
    }

    String path() {
        return path;
    }

    boolean takes(String method) {
        return methods.contains(method) || method.equals("HEAD") && methods.contains("GET");
    }

    String methods() {
        return String.join(", ", methods) + (methods.contains("GET") ? ", HEAD" : "");
    }

    boolean open() {
        return machines() || this == PAGE;
    }

    private boolean machines() {
        return this == HEALTH || this == PING || this == VERSION || this == METRICS;
    }

    /** Whether it is left out of the web layer's metrics: what machines ask every few seconds. */
    boolean probe() {
        return machines() || this == LOAD;
    }

    /** The NAME in {@code /v1/models/NAME}. */
    static String modelIn(String path) {
        return path.substring(ONE_MODEL.length());
    }
}
