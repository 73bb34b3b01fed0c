package dev.skein.loadtest;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BooleanSupplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// A server that the test started, with all processes that it started itself. It ends with [#close()], and with
/// this Java machine.
public final class Peer implements AutoCloseable {
    private static final Pattern PORT = Pattern.compile("--port[= ]+(\\d{1,5})\\b");
    private static final int LAST_LINES = 15;
    private static final long POLL_MILLIS = 100;
    private static final long GRACE_SECONDS = 5;

    private final Process shell;
    private final Thread reader;
    private final Thread hook = new Thread(this::end, "end-peer");

    // Guards the two below: the reader adds lines, the starter and the shutdown hook look for processes.
    private final Object lock = new Object();
    private final Deque<String> lines = new ArrayDeque<>();
    private final Set<ProcessHandle> processes = new LinkedHashSet<>();

    private Peer(Process shell) {
        this.shell = shell;
        reader = Thread.ofVirtual().start(this::read);
        Runtime.getRuntime().addShutdownHook(hook);
    }

    static Peer start(Wire wire, String command, Address address, Duration patience, BooleanSupplier stopped) {
        if (Target.ready(wire, address)) {
            throw new LoadException("something answers at " + address.url() + " already, so '" + command
                    + "' cannot be measured there; end it or choose another port");
        }
        Peer peer;
        try {
            peer = new Peer(new ProcessBuilder("sh", "-c", command)
                    .redirectErrorStream(true)
                    .redirectInput(ProcessBuilder.Redirect.from(new File("/dev/null")))
                    .start());
        } catch (IOException e) {
            throw new LoadException("'" + command + "' cannot be started: " + e.getMessage());
        }
        try {
            peer.await(wire, command, address, patience, stopped);
            return peer;
        } catch (LoadException e) {
            peer.close();
            throw e;
        }
    }

    /// The address on loopback of the port that a command names by `--port N`, as servers of models do.
    ///
    /// @throws IllegalArgumentException if it names none
    public static String url(String command) {
        Matcher port = PORT.matcher(command);
        if (!port.find()) {
            throw new IllegalArgumentException(
                    "'" + command + "' names no --port; say with --peer-url where it answers");
        }
        return "http://127.0.0.1:" + port.group(1);
    }

    private void await(Wire wire, String command, Address address, Duration patience, BooleanSupplier stopped) {
        long deadline = System.nanoTime() + patience.toNanos();
        while (!Target.ready(wire, address)) {
            collect();
            if (!shell.isAlive()) {
                throw new LoadException(
                        "'" + command + "' ended with code " + shell.exitValue() + " before it answered" + lastLines());
            }
            if (stopped.getAsBoolean()) {
                throw new LoadException("ended before anything was measured");
            }
            if (System.nanoTime() > deadline) {
                throw new LoadException("'" + command + "' did not answer at " + address.url() + " within "
                        + patience.toSeconds() + " s" + lastLines());
            }
            pause();
        }
        collect();
    }

    private static void pause() {
        try {
            Thread.sleep(POLL_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new LoadException("interrupted");
        }
    }

    private void read() {
        try (BufferedReader output = shell.inputReader(StandardCharsets.UTF_8)) {
            for (String line = output.readLine(); line != null; line = output.readLine()) {
                synchronized (lock) {
                    lines.add(line);
                    if (lines.size() > LAST_LINES) {
                        lines.remove();
                    }
                }
            }
        } catch (IOException e) {
            // The process is gone.
        }
    }

    private String lastLines() {
        if (!shell.isAlive()) {
            joinReader();
        }
        synchronized (lock) {
            return lines.isEmpty() ? "; it printed nothing" : "; its last lines:\n  " + String.join("\n  ", lines);
        }
    }

    /// A child of the shell that goes on may hold the pipe open, so this does not wait for long.
    private void joinReader() {
        try {
            reader.join(Duration.ofSeconds(1));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /// Those that are there now: a process whose parent has ended is not found later.
    private List<ProcessHandle> collect() {
        synchronized (lock) {
            shell.descendants().forEach(processes::add);
            return List.copyOf(processes);
        }
    }

    /// Ends it: politely, and after five seconds by force.
    @Override
    public void close() {
        end();
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException e) {
            // The hook runs already.
        }
    }

    private void end() {
        List<ProcessHandle> all = collect();
        shell.destroy();
        all.forEach(ProcessHandle::destroy);
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(GRACE_SECONDS);
        await(shell.toHandle(), deadline);
        all.forEach(process -> await(process, deadline));
        // Their children of the last moment too.
        collect().forEach(ProcessHandle::destroyForcibly);
        shell.destroyForcibly();
    }

    private static void await(ProcessHandle process, long deadline) {
        CompletableFuture<ProcessHandle> ended = process.onExit();
        try {
            ended.get(Math.max(1, deadline - System.nanoTime()), TimeUnit.NANOSECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (ExecutionException | TimeoutException e) {
            // It is killed next.
        }
    }
}
