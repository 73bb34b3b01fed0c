package dev.skein.cli;

import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.stream.Stream;

/// Reads `--chat-template`, which is a file or the template itself.
final class ChatTemplate {
    private static final int MOST_BYTES = 1 << 20;

    private ChatTemplate() {}

    /// @throws CommandException if it is neither
    static String text(String given) {
        if (Stream.of("{{", "{%", "\n").anyMatch(given::contains)) {
            return given;
        }
        try {
            Path file = Path.of(given);
            if (Files.size(file) > MOST_BYTES) {
                throw CommandException.usage(
                        "--chat-template " + given + " is longer than 1 MiB, which no template is");
            }
            return Files.readString(file);
        } catch (CharacterCodingException e) {
            throw CommandException.usage("--chat-template " + given + " is not a text in UTF-8");
        } catch (IOException | InvalidPathException e) {
            throw CommandException.usage("--chat-template '" + given
                    + "' is neither a file that can be read nor a template, which has {{ or {%");
        }
    }
}
