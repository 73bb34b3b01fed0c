package dev.skein.gateway;

import io.vertx.core.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Waits for a future as long as a test may hang. */
final class Wait {
    private Wait() {}

    static <T> T on(Future<T> future) {
        try {
            return future.await(20, TimeUnit.SECONDS);
        } catch (TimeoutException e) {
            throw new AssertionError("nothing came in 20 s", e);
        }
    }
}
