package dev.skein.cli;

import dev.skein.cli.client.ChatCommand;
import dev.skein.cli.settings.Settings;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/// A server that one command starts for itself, on a free port of loopback.
///
/// @param endMillis how long its worker may take to end; 0 ends it at once
record OwnServer(LocalServer server, int port, long endMillis) implements ChatCommand.Started {

    /// Writing a cache at the end takes some seconds, more on a busy machine.
    private static final long PATIENCE_MILLIS = 300_000;

    /// @throws CommandException if it does not come up
    static OwnServer start(@Nullable String model) {
        return start(model, 0);
    }

    /// One whose worker writes a cache when it ends.
    static OwnServer startPatiently(@Nullable String model) {
        return start(model, PATIENCE_MILLIS);
    }

    private static OwnServer start(@Nullable String model, long endMillis) {
        List<String> arguments = new ArrayList<>(List.of("--port", "0", "--log-level", "warning"));
        if (model != null) {
            arguments.addFirst(model);
        }
        Settings settings = ServeCommand.settings(arguments);
        System.err.println("skein: starting a server ...");
        LocalServer server = ServeCommand.start(settings, ServeCommand.began());
        Object first = CompletableFuture.anyOf(server.ready(), server.failure()).join();
        if (first instanceof LocalServer.Ready ready) {
            return new OwnServer(server, ready.port(), endMillis);
        }
        server.close();
        throw CommandException.failed(first.toString());
    }

    @Override
    public String url() {
        return "http://127.0.0.1:" + port;
    }

    @Override
    public void close() {
        if (endMillis > 0) {
            server.drain(endMillis);
        }
        server.close();
    }
}
