package dev.skein.cli.model.hub;

import dev.skein.cli.CommandException;
import java.io.IOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpTimeoutException;
import java.nio.channels.UnresolvedAddressException;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// Decides whether and when something that failed is tried again. For one thread.
final class Retries {
    private final Patience patience;
    private final URI endpoint;
    private final Consumer<String> notes;
    private int failures;

    /// The hub said to come again.
    static final class Later extends IOException {
        private static final long serialVersionUID = 1;

        private final transient @Nullable Duration after;

        /// @param after how long the hub asks to wait; null where it does not say
        Later(String message, @Nullable Duration after) {
            super(message);
            this.after = after;
        }
    }

    /// @param notes hears each failure that is not the last; from this object's thread
    Retries(Patience patience, URI endpoint, Consumer<String> notes) {
        this.patience = patience;
        this.endpoint = endpoint;
        this.notes = notes;
    }

    /// Something came: failures before do not count any more.
    void progressed() {
        failures = 0;
    }

    /// Waits until the next attempt.
    ///
    /// @throws CommandException if there have been enough, or the hub asks for more time than there is
    void failed(String what, IOException why) throws InterruptedException {
        failures++;
        if (failures >= patience.attempts()) {
            throw CommandException.failed(what + " cannot be fetched from " + endpoint + ": " + reason(why) + ", "
                    + failures + " times in a row; what has come is kept, and the next pull goes on from there");
        }
        Duration wait = wait(what, why);
        notes.accept("%s: %s; trying again in %.1f s (%d of %d)"
                .formatted(what, reason(why), wait.toMillis() / 1e3, failures + 1, patience.attempts()));
        Thread.sleep(wait);
    }

    private Duration wait(String what, IOException why) {
        Duration asked = why instanceof Later later ? later.after : null;
        if (asked != null && asked.compareTo(patience.longestWait()) > 0) {
            throw CommandException.failed(what + " cannot be fetched now: " + reason(why)
                    + " and asks to come again in " + asked.toSeconds() + " s");
        }
        return asked == null ? backoff() : asked;
    }

    /// Not the same for all who wait, else they all come back at once.
    private Duration backoff() {
        double doubled = patience.firstWait().toNanos() * Math.pow(2, failures - 1);
        double bounded = Math.min(doubled, patience.longestWait().toNanos());
        return Duration.ofNanos((long) (bounded * ThreadLocalRandom.current().nextDouble(0.5, 1)));
    }

    /// Java leaves the message of some failures empty.
    private static String reason(IOException why) {
        return switch (why) {
            case Later later -> Objects.requireNonNull(later.getMessage());
            case ConnectException refused -> unresolved(refused) ? "no host has that name" : "nothing listens there";
            case HttpTimeoutException late -> "it does not answer";
            default -> "the connection broke (" + Words.printable(String.valueOf(why.getMessage())) + ")";
        };
    }

    private static boolean unresolved(Throwable why) {
        Throwable cause = why.getCause();
        return why instanceof UnresolvedAddressException || cause != null && unresolved(cause);
    }
}
