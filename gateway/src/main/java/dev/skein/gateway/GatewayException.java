package dev.skein.gateway;

/** The gateway cannot be set up as asked. The message says what was asked, why not, and what to do. */
public final class GatewayException extends RuntimeException {
    public GatewayException(String message) {
        super(message);
    }

    public GatewayException(String message, Throwable cause) {
        super(message, cause);
    }
}
