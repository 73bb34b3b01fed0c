package dev.skein.cli;

import dev.skein.cli.client.ChatCommand;
import dev.skein.cli.settings.Settings;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/// A server that one command starts for itself, on a free port of loopback.
record OwnServer(LocalServer server, int port) implements ChatCommand.Started {

    /// @throws CommandException if it does not come up
    static OwnServer start(@Nullable String model) {
        List<String> arguments = new ArrayList<>(List.of("--port", "0", "--log-level", "warning"));
        if (model != null) {
            arguments.addFirst(model);
        }
        Settings settings = ServeCommand.settings(arguments);
        System.err.println("skein: starting a server ...");
        LocalServer server = ServeCommand.start(settings, ServeCommand.began());
        Object first = CompletableFuture.anyOf(server.ready(), server.failure()).join();
        if (first instanceof LocalServer.Ready ready) {
            return new OwnServer(server, ready.port());
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
        server.close();
    }
}
