package dev.skein.gateway.json;

/** Bytes that are no JSON, or JSON beyond the bounds. The message says where. */
public final class JsonException extends RuntimeException {
    JsonException(String message) {
        super(message);
    }
}
