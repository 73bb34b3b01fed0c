package dev.skein.gateway.text;

/** A vocabulary that cannot be spoken. The message names what is missing or not known. */
public final class TokenizerException extends RuntimeException {
    public TokenizerException(String message) {
        super(message);
    }

    public TokenizerException(String message, Throwable cause) {
        super(message, cause);
    }
}
