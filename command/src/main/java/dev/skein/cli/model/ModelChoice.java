package dev.skein.cli.model;

import dev.skein.cli.CommandException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.regex.Pattern;

/// Turns the name of a model into a file.
public final class ModelChoice {
    private static final byte[] MAGIC = {'G', 'G', 'U', 'F'};
    private static final Pattern HUB_NAME = Pattern.compile("[\\w.-]+/[\\w.-]+");

    private ModelChoice() {}

    /// The file, which exists, can be read and begins as GGUF does.
    ///
    /// @throws CommandException saying what is wrong with the name
    public static Path file(String name) {
        Path path = path(name);
        if (Files.isDirectory(path)) {
            throw CommandException.failed(name + " is a folder; name the .gguf file in it");
        }
        if (!Files.exists(path)) {
            throw CommandException.failed(
                    HUB_NAME.matcher(name).matches() && !name.endsWith(".gguf")
                            ? name + " looks like a name on a model hub, which is not supported yet;"
                                    + " download its .gguf file and name that"
                            : "there is no file " + name);
        }
        checkMagic(path);
        return path.toAbsolutePath().normalize();
    }

    private static Path path(String name) {
        try {
            return Path.of(name);
        } catch (InvalidPathException e) {
            throw CommandException.failed("'" + name + "' is not the name of a file: " + e.getReason());
        }
    }

    private static void checkMagic(Path path) {
        try (InputStream input = Files.newInputStream(path)) {
            if (!Arrays.equals(input.readNBytes(MAGIC.length), MAGIC)) {
                throw CommandException.failed(path + " is not a GGUF file: it does not begin with the letters GGUF");
            }
        } catch (IOException e) {
            throw CommandException.failed(path + " cannot be read: " + e.getMessage());
        }
    }
}
