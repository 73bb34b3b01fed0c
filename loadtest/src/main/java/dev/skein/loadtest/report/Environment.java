package dev.skein.loadtest.report;

import io.vertx.core.json.JsonObject;
import java.time.Instant;
import java.time.temporal.ChronoUnit;

/// Where and when a test ran: the machine of the clients, which may be another than the server's.
public record Environment(Instant date, int cores, String system, String java) {

    public static Environment here() {
        return new Environment(
                Instant.now().truncatedTo(ChronoUnit.SECONDS),
                Runtime.getRuntime().availableProcessors(),
                System.getProperty("os.name") + " " + System.getProperty("os.version") + " "
                        + System.getProperty("os.arch"),
                System.getProperty("java.vm.name") + " " + System.getProperty("java.version"));
    }

    JsonObject json() {
        return new JsonObject()
                .put("date", date.toString())
                .put("cores", cores)
                .put("system", system)
                .put("java", java);
    }

    String text() {
        return date + ", clients on " + cores + " cores, " + system + ", " + java;
    }
}
