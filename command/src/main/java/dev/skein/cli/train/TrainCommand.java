package dev.skein.cli.train;

import dev.skein.cli.CommandException;
import dev.skein.cli.client.ChatCommand;
import java.io.IOException;
import java.io.OutputStream;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;

/// `skein train FOLDER`: serves the training model for a few requests. Called by `./skein` while it builds, with the
/// options
/// that make Java write its caches at the end.
public final class TrainCommand {
    /// Enough for Java to tell which methods are hot.
    private static final int ROUNDS = 20;

    private static final String CHAT = """
            {"messages": [{"role": "user", "content": "What is the capital of France?"}], "max_tokens": 16,
             "stream": true}
            """;
    private static final String COMPLETION = """
            {"prompt": "Once upon a time", "temperature": 0, "max_tokens": 16, "stream": true}
            """;

    private TrainCommand() {}

    public static int run(List<String> arguments, ChatCommand.Starter starter) throws IOException {
        if (arguments.size() != 1) {
            throw CommandException.usage("skein train FOLDER is a part of the build");
        }
        Path model = Path.of(arguments.getFirst(), "training.gguf");
        TrainingModel.write(model);
        try (ChatCommand.Started server = starter.start(model.toString())) {
            for (int round = 0; round < ROUNDS; round++) {
                ask(server, "GET", "/v1/models", "");
                ask(server, "POST", "/v1/chat/completions", CHAT);
                ask(server, "POST", "/v1/chat/completions", CHAT.replace("true", "false"));
                ask(server, "POST", "/v1/completions", COMPLETION);
            }
        }
        return 0;
    }

    /// By hand, because every class that a client of Java's loads would be loaded by every start that uses the cache.
    private static void ask(ChatCommand.Started server, String method, String path, String body) throws IOException {
        URI url = URI.create(server.url());
        byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
        String head = method + " " + path + " HTTP/1.1\r\nhost: " + url.getAuthority() + "\r\nconnection: close\r\n"
                + "content-type: application/json\r\ncontent-length: " + bytes.length + "\r\n\r\n";
        try (Socket socket = new Socket(url.getHost(), url.getPort())) {
            OutputStream out = socket.getOutputStream();
            out.write(head.getBytes(StandardCharsets.US_ASCII));
            out.write(bytes);
            out.flush();
            String answer = new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            if (!answer.startsWith("HTTP/1.1 200")) {
                throw new IOException(method + " " + path + " is answered " + answer);
            }
        }
    }
}
