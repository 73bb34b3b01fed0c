package dev.skein.gateway;

import io.vertx.core.http.HttpConnection;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;

/**
 * Closes connections that keep the server waiting: for a first request, for a body, for the next request. While an
 * answer is being made or read there is no such bound. One event loop's own; a sweep each second costs less than timers
 * set and cancelled with every request.
 */
final class Connections {
    private static final long NONE = Long.MAX_VALUE;

    private static final class Deadline {
        private long nanos = NONE;
        private int requests;
        private Runnable expired = () -> {};
        private Runnable broken = () -> {};
    }

    private final Map<HttpConnection, Deadline> deadlines = new IdentityHashMap<>();

    /** From now on {@code connection} is watched, until it closes. */
    void opened(HttpConnection connection, long nanos) {
        Deadline deadline = new Deadline();
        deadlines.put(connection, deadline);
        deadline.broken = connection::close;
        FramingGuard.watch(connection, () -> deadline.broken.run());
        connection.closeHandler(_ -> deadlines.remove(connection));
        await(connection, nanos, connection::close);
    }

    /** A request has come. */
    void begun(HttpConnection connection) {
        Deadline deadline = deadlines.get(connection);
        if (deadline != null) {
            deadline.requests++;
            deadline.nanos = NONE;
        }
    }

    /** A response has gone: the next request must come within {@code nanos}, if it is not there already. */
    void ended(HttpConnection connection, long nanos) {
        Deadline deadline = deadlines.get(connection);
        if (deadline != null && --deadline.requests == 0) {
            await(connection, nanos, connection::close);
        }
    }

    /** Runs {@code expired} unless {@link #arrived} or another wait comes within {@code nanos}. */
    void await(HttpConnection connection, long nanos, Runnable expired) {
        Deadline deadline = deadlines.get(connection);
        if (deadline != null) {
            deadline.nanos = System.nanoTime() + nanos;
            deadline.expired = expired;
        }
    }

    /** What was waited for is there. */
    void arrived(HttpConnection connection) {
        Deadline deadline = deadlines.get(connection);
        if (deadline != null) {
            deadline.nanos = NONE;
        }
    }

    /** Runs {@code broken} if what comes from now on cannot be read. */
    void reading(HttpConnection connection, Runnable broken) {
        Deadline deadline = deadlines.get(connection);
        if (deadline != null) {
            deadline.broken = broken;
        }
    }

    void sweep() {
        long now = System.nanoTime();
        List<Deadline> late = new ArrayList<>();
        for (Deadline deadline : deadlines.values()) {
            if (deadline.nanos != NONE && now - deadline.nanos >= 0) {
                late.add(deadline);
            }
        }
        for (Deadline deadline : late) {
            deadline.nanos = NONE;
            deadline.expired.run();
        }
    }
}
