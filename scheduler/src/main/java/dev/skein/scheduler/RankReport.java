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
