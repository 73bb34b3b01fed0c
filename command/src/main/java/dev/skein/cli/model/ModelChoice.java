package dev.skein.cli.model;

import dev.skein.cli.CommandException;
import dev.skein.cli.model.hub.HubName;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;

/// What the user named: something on this machine, or a model of a hub.
public sealed interface ModelChoice {

    /// A GGUF file, or a folder with a `config.json`: it exists, can be read and begins as it should.
    ///
    /// @param path absolute
    record Local(Path path) implements ModelChoice {}

    /// A model of a hub, kept or not.
    record Hub(HubName name) implements ModelChoice {}

    /// What is on this machine comes before what could be on a hub.
    ///
    /// @throws CommandException saying what is wrong with the name
    static ModelChoice of(String name) {
        Path path = path(name);
        if (Files.isDirectory(path)) {
            return new Local(folder(path));
        }
        if (Files.exists(path)) {
            return new Local(file(path));
        }
        Optional<HubName> hub = name.endsWith(".gguf") ? Optional.empty() : HubName.of(name);
        return new Hub(hub.orElseThrow(() -> CommandException.failed("there is no file " + name)));
    }

    private static Path path(String name) {
        try {
            return Path.of(name);
        } catch (InvalidPathException e) {
            throw CommandException.failed("'" + name + "' is not the name of a file: " + e.getReason());
        }
    }

    private static Path folder(Path path) {
        if (!Files.isRegularFile(path.resolve("config.json"))) {
            throw CommandException.failed(
                    path + " is a folder without config.json; name the folder of a model, or the .gguf file in it");
        }
        return path.toAbsolutePath().normalize();
    }

    private static Path file(Path path) {
        byte[] magic = {'G', 'G', 'U', 'F'};
        try (InputStream input = Files.newInputStream(path)) {
            if (!Arrays.equals(input.readNBytes(magic.length), magic)) {
                throw CommandException.failed(path + " is not a GGUF file: it does not begin with the letters GGUF");
            }
        } catch (IOException e) {
            throw CommandException.failed(path + " cannot be read: " + e.getMessage());
        }
        return path.toAbsolutePath().normalize();
    }
}
