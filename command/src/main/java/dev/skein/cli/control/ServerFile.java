package dev.skein.cli.control;

import dev.skein.cli.CommandException;
import dev.skein.cli.model.SkeinHome;
import io.vertx.core.json.DecodeException;
import io.vertx.core.json.JsonObject;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Where a running server's scheduler answers, in a file for its own user.
///
/// @param port of the gateway, which names the server
/// @param process that runs it
/// @param schedulerPort on loopback
/// @param token that calls to the scheduler must carry
public record ServerFile(int port, long process, int schedulerPort, String token) {
    private static final String END = ".json";

    /// Writes the file; [#delete] removes it.
    public void write(SkeinHome home) {
        String text = new JsonObject()
                .put("port", port)
                .put("process", process)
                .put("scheduler-port", schedulerPort)
                .put("token", token)
                .encode();
        try {
            Path folder = home.servers();
            Files.createDirectories(folder, only("rwx------"));
            Path draft = Files.createTempFile(folder, "server", ".draft", only("rw-------"));
            Files.writeString(draft, text);
            Files.move(draft, file(home), StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write " + file(home), e);
        }
    }

    public void delete(SkeinHome home) {
        try {
            Files.deleteIfExists(file(home));
        } catch (IOException e) {
            throw new UncheckedIOException("cannot delete " + file(home), e);
        }
    }

    private Path file(SkeinHome home) {
        return home.servers().resolve(port + END);
    }

    private static FileAttribute<Set<PosixFilePermission>> only(String permissions) {
        return PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(permissions));
    }

    /// The server of this gateway port, else the only one that runs.
    ///
    /// @throws CommandException if there is none, or more than one to choose from
    static ServerFile find(SkeinHome home, @Nullable Integer port) {
        List<ServerFile> running = running(home).stream()
                .filter(server -> port == null || server.port == port)
                .toList();
        if (running.size() == 1) {
            return running.getFirst();
        }
        String which = port == null ? "" : " on port " + port;
        throw CommandException.failed(
                running.isEmpty()
                        ? "no server of this user runs here" + which + "; start one with skein serve"
                        : "several servers run, on ports "
                                + String.join(
                                        ", ",
                                        running.stream()
                                                .map(server -> Integer.toString(server.port))
                                                .toList())
                                + "; say which with --server PORT");
    }

    private static List<ServerFile> running(SkeinHome home) {
        if (!Files.isDirectory(home.servers())) {
            return List.of();
        }
        try (Stream<Path> files = Files.list(home.servers())) {
            return files.filter(file -> file.toString().endsWith(END))
                    .flatMap(file -> read(file).stream())
                    .filter(server -> ProcessHandle.of(server.process)
                            .filter(ProcessHandle::isAlive)
                            .isPresent())
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException("cannot list " + home.servers(), e);
        }
    }

    /// Empty for one that another process removes or writes just now.
    private static Optional<ServerFile> read(Path file) {
        try {
            JsonObject json = new JsonObject(Files.readString(file));
            return Optional.of(new ServerFile(
                    json.getInteger("port"),
                    json.getLong("process"),
                    json.getInteger("scheduler-port"),
                    json.getString("token")));
        } catch (IOException | DecodeException | ClassCastException | NullPointerException e) {
            return Optional.empty();
        }
    }

    /// The secret stays out of logs.
    @Override
    public String toString() {
        return "server on port " + port + ", process " + process;
    }
}
