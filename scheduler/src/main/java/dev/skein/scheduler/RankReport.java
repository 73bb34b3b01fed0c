package dev.skein.scheduler;

import io.vertx.core.json.DecodeException;
import io.vertx.core.json.JsonObject;
import java.util.Optional;

/// One line of a rank's standard output: how far it has come.
public sealed interface RankReport {

    /// It answers calls on this port.
    record Listening(int port) implements RankReport {}

    /// What it is doing, for people.
    record Progress(String detail) implements RankReport {}

    /// It takes requests.
    record Ready(String detail) implements RankReport {}

    /// A sign of life, about once a second while it is ready.
    ///
    /// @param steps made since it started
    /// @param running sequences in hand
    record Step(long steps, int running) implements RankReport {}

    /// It cannot serve and will end.
    ///
    /// @param hopeless whether another try would fail in the same way
    record Failed(String reason, boolean hopeless) implements RankReport {}

    /// The line, without its end.
    default String line() {
        JsonObject json = switch (this) {
            case Listening(int port) -> phase("listening").put("port", port);
            case Progress(String detail) -> phase("progress").put("detail", detail);
            case Ready(String detail) -> phase("ready").put("detail", detail);
            case Step(long steps, int running) ->
                phase("step").put("steps", steps).put("running", running);
            case Failed(String reason, boolean hopeless) ->
                phase("failed").put("reason", reason).put("hopeless", hopeless);
        };
        return json.encode();
    }

    /// Reads a line; empty for one that is no report, such as a message of the Java machine itself.
    static Optional<RankReport> of(String line) {
        if (!line.startsWith("{")) {
            return Optional.empty();
        }
        try {
            return of(new JsonObject(line));
        } catch (DecodeException | ClassCastException e) {
            return Optional.empty();
        }
    }

    private static Optional<RankReport> of(JsonObject json) {
        return switch (json.getString("phase", "")) {
            case "listening" -> Optional.of(new Listening(json.getInteger("port", 0)));
            case "progress" -> Optional.of(new Progress(json.getString("detail", "")));
            case "ready" -> Optional.of(new Ready(json.getString("detail", "")));
            case "step" -> Optional.of(new Step(json.getLong("steps", 0L), json.getInteger("running", 0)));
            case "failed" ->
                Optional.of(
                        new Failed(json.getString("reason", "no reason given"), json.getBoolean("hopeless", false)));
            default -> Optional.empty();
        };
    }

    private static JsonObject phase(String name) {
        return new JsonObject().put("phase", name);
    }
}
