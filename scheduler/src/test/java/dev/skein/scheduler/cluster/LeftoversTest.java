package dev.skein.scheduler.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class LeftoversTest {
    private static final Path PROC = Path.of("/proc");

    @Test
    void endsOnlyWhatCarriesTheWord() throws IOException {
        assumeThat(Files.isDirectory(PROC)).as("a system with /proc").isTrue();
        String word = "-Dskein.machine=10.0.0.1:" + ProcessHandle.current().pid();
        Process left = waiting(word);
        Process other = waiting(word + "0");
        try {
            Leftovers.end(PROC, word);
            assertThat(left.isAlive()).isFalse();
            assertThat(other.isAlive()).isTrue();
        } finally {
            left.destroyForcibly();
            other.destroyForcibly();
        }
    }

    /// Reads from a pipe that nobody writes to.
    private static Process waiting(String word) throws IOException {
        return new ProcessBuilder("sh", "-c", "read line", "sh", word).start();
    }
}
