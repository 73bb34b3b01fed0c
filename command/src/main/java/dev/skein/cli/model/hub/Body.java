package dev.skein.cli.model.hub;

import java.io.IOException;
import java.io.InputStream;
import java.time.Duration;

/// The bytes of an answer, cut off when none comes for too long: Java's HTTP client waits for a body without end.
///
/// One thread reads; [#cutIfSilent] comes from another.
final class Body implements AutoCloseable {
    private static final long NOT_READING = Long.MIN_VALUE;

    private final InputStream input;
    private final Duration silence;

    /// When the read that is under way began; read by the thread that looks for silence.
    private volatile long since = NOT_READING;

    /// Read by the reader, whose read ends when the stream is closed under it.
    private volatile boolean cut;

    /// Read by the client, which forgets what is closed.
    private volatile boolean closed;

    Body(InputStream input, Duration silence) {
        this.input = input;
        this.silence = silence;
    }

    /// As [InputStream#read(byte[])].
    int read(byte[] buffer) throws IOException {
        since = System.nanoTime();
        int read;
        try {
            read = input.read(buffer);
        } catch (IOException e) {
            throw cut ? silent() : e;
        } finally {
            since = NOT_READING;
        }
        if (cut) {
            throw silent();
        }
        return read;
    }

    private IOException silent() {
        return new IOException("no byte came for " + silence.toMillis() / 1e3 + " s");
    }

    void cutIfSilent(long now) {
        long began = since;
        if (began != NOT_READING && now - began > silence.toNanos()) {
            cut = true;
            try {
                input.close();
            } catch (IOException e) {
                // The reader is told that it was cut.
            }
        }
    }

    boolean closed() {
        return closed;
    }

    @Override
    public void close() throws IOException {
        closed = true;
        input.close();
    }
}
