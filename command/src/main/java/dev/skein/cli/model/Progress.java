package dev.skein.cli.model;

import java.io.PrintStream;

/// Tells how far something long has come: one line that is overwritten on a terminal, now and then a plain line
/// elsewhere.
/// For one thread.
public final class Progress {
    private static final long LIVE_NANOS = 200_000_000L;
    private static final long PLAIN_NANOS = 5_000_000_000L;

    private final PrintStream out;
    private final boolean live;
    private long last;
    private boolean dirty;

    public Progress(PrintStream out, boolean live) {
        this.out = out;
        this.live = live;
        this.last = System.nanoTime();
    }

    /// On standard error, where somebody may watch it at a terminal.
    public static Progress onStandardError() {
        return new Progress(
                System.err, System.console() != null && System.console().isTerminal());
    }

    /// Whether it overwrites its line.
    public boolean live() {
        return live;
    }

    /// A line that stays.
    public void say(String line) {
        clear();
        out.println("skein: " + line);
    }

    /// A line that the next one replaces.
    public void update(String line) {
        long now = System.nanoTime();
        if (now - last < (live ? LIVE_NANOS : PLAIN_NANOS)) {
            return;
        }
        last = now;
        if (live) {
            out.print("\r\033[Kskein: " + line);
            out.flush();
            dirty = true;
        } else {
            out.println("skein: " + line);
        }
    }

    /// Removes the line that would have been replaced.
    public void clear() {
        if (dirty) {
            out.print("\r\033[K");
            dirty = false;
        }
    }
}
