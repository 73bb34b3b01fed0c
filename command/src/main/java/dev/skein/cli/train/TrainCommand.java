package dev.skein.cli.train;

import dev.skein.cli.CommandException;
import dev.skein.cli.client.ChatCommand;
import dev.skein.cli.client.ServerApi;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Path;
import java.util.List;

/// `skein train FOLDER`: serves the training model for a few requests. Called by `./skein` while it builds, with the
/// options
/// that make Java write its caches at the end.
public final class TrainCommand {
    /// Enough for Java to tell which methods are hot.
    private static final int ROUNDS = 20;

    private TrainCommand() {}

    public static int run(List<String> arguments, ChatCommand.Starter starter) throws IOException {
        if (arguments.size() != 1) {
            throw CommandException.usage("skein train FOLDER is a part of the build");
        }
        Path model = Path.of(arguments.getFirst(), "training.gguf");
        TrainingModel.write(model);
        try (ChatCommand.Started server = starter.start(model.toString())) {
            ServerApi api = new ServerApi(server.url(), null);
            String name = api.model();
            for (int round = 0; round < ROUNDS; round++) {
                api.get("/skein/status");
                ask(api, "/v1/chat/completions", chat(name).put("stream", true));
                ask(api, "/v1/chat/completions", chat(name));
                ask(api, "/v1/completions", completion(name).put("stream", true));
            }
        }
        return 0;
    }

    private static JsonObject chat(String model) {
        JsonObject message = new JsonObject().put("role", "user").put("content", "What is the capital of France?");
        return new JsonObject()
                .put("model", model)
                .put("messages", new JsonArray().add(message))
                .put("max_tokens", 16);
    }

    private static JsonObject completion(String model) {
        return new JsonObject()
                .put("model", model)
                .put("prompt", "Once upon a time")
                .put("temperature", 0)
                .put("max_tokens", 16);
    }

    private static void ask(ServerApi api, String path, JsonObject body) throws IOException {
        try (InputStream answer = api.stream(path, body)) {
            answer.transferTo(OutputStream.nullOutputStream());
        }
    }
}
