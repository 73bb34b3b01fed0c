package dev.skein.scheduler.cluster;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Ranks that an earlier life of this agent has left behind. They end by themselves when their parent does, but for
/// one that stands still: so an agent that was killed ends them before it gives their devices away again.
final class Leftovers {
    private static final Logger log = LoggerFactory.getLogger(Leftovers.class);
    private static final long END_SECONDS = 10;

    private Leftovers() {}

    /// Ends the processes of this user whose command line holds the word; returns when they are gone. Where the
    /// system has no `/proc` it finds none.
    ///
    /// @throws IllegalStateException if one does not end
    static void end(Path proc, String word) {
        for (ProcessHandle process : marked(proc, word)) {
            log.info("process {} is left from an earlier life of this machine's agent; it ends", process.pid());
            process.destroyForcibly();
            try {
                process.onExit().get(END_SECONDS, TimeUnit.SECONDS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException("interrupted", e);
            } catch (Exception e) {
                throw new IllegalStateException(
                        "process " + process.pid() + " of an earlier life of this machine does not end in "
                                + END_SECONDS + " s; end it, or restart the machine",
                        e);
            }
        }
    }

    private static List<ProcessHandle> marked(Path proc, String word) {
        if (!Files.isDirectory(proc)) {
            return List.of();
        }
        try (Stream<Path> all = Files.list(proc)) {
            return all.filter(each -> each.getFileName().toString().matches("[0-9]+"))
                    .filter(each -> holds(each, word))
                    .flatMap(each ->
                            ProcessHandle.of(Long.parseLong(each.getFileName().toString())).stream())
                    .filter(process -> process.pid() != ProcessHandle.current().pid())
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException("cannot list " + proc, e);
        }
    }

    /// A process that is gone meanwhile, or is another user's, is none of ours.
    private static boolean holds(Path process, String word) {
        try {
            return Files.getOwner(process).equals(Files.getOwner(process.resolveSibling("self")))
                    && List.of(Files.readString(process.resolve("cmdline"), StandardCharsets.ISO_8859_1)
                                    .split("\0"))
                            .contains(word);
        } catch (IOException e) {
            return false;
        }
    }
}
