package dev.skein.scheduler;

import dev.skein.scheduler.lifecycle.Event;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// One child process: writes its orders, reads its reports and its log.
///
/// Two threads read, because each pipe blocks. The one that reads the reports also sees the end, and tells it only when
/// both pipes are empty, so that the reason is complete.
final class LocalProcess {
    private static final long LAST_LINES_MILLIS = 500;
    private static final int SIGNALS = 128;

    /// Lines of the usual log say what went well and not why a process ended.
    private static final Pattern HARMLESS = Pattern.compile(".*\\b(TRACE|DEBUG|INFO)\\b.*");

    private final Process process;
    private final int rank;
    private final long incarnation;
    private final Consumer<String> log;
    private final Consumer<Event> events;

    /// Written by the log thread, read by the report thread after the log has ended.
    private volatile String lastLine = "";

    private RankReport.@Nullable Failed failed;

    LocalProcess(Process process, int rank, long incarnation, Consumer<String> log, Consumer<Event> events) {
        this.process = process;
        this.rank = rank;
        this.incarnation = incarnation;
        this.log = log;
        this.events = events;
    }

    void begin(RankOrder order) {
        Thread logs = thread("log", this::relayLog);
        Thread reports = thread("reports", () -> {
            relayReports();
            tellEnd(logs);
        });
        write(order.line());
        logs.start();
        reports.start();
    }

    void drain() {
        write(RankOrder.DRAIN);
    }

    void kill() {
        process.destroyForcibly();
    }

    /// A child that is already gone cannot be written to; its end is told by the thread that reads.
    private void write(String line) {
        try {
            OutputStream input = process.getOutputStream();
            input.write((line + "\n").getBytes(StandardCharsets.UTF_8));
            input.flush();
        } catch (IOException e) {
            log.accept("rank " + rank + " does not take orders any more: " + e.getMessage());
        }
    }

    private void relayReports() {
        try (BufferedReader lines = process.inputReader(StandardCharsets.UTF_8)) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                hear(line);
            }
        } catch (IOException e) {
            log.accept("the reports of rank " + rank + " broke off: " + e.getMessage());
        }
    }

    private void hear(String line) {
        RankReport report = RankReport.of(line).orElse(null);
        switch (report) {
            case RankReport.Listening(int port) -> events.accept(new Event.Listening(rank, incarnation, port));
            case RankReport.Progress(String detail) -> events.accept(new Event.Progress(rank, incarnation, detail));
            case RankReport.Ready(String detail) -> events.accept(new Event.Ready(rank, incarnation, detail));
            case RankReport.Step(long steps, int running) ->
                events.accept(new Event.Step(rank, incarnation, steps, running));
            case RankReport.Failed last -> failed = last;
            case null -> logged(line);
        }
    }

    private void relayLog() {
        try (BufferedReader lines = process.errorReader(StandardCharsets.UTF_8)) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                logged(line);
            }
        } catch (IOException e) {
            log.accept("the log of rank " + rank + " broke off: " + e.getMessage());
        }
    }

    private void logged(String line) {
        if (!line.isBlank() && !HARMLESS.matcher(line).matches()) {
            lastLine = line.strip();
        }
        log.accept(line);
    }

    private void tellEnd(Thread logs) {
        try {
            int code = process.waitFor();
            logs.join(LAST_LINES_MILLIS);
            events.accept(new Event.Exited(rank, incarnation, reason(code), failed != null && failed.hopeless()));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private String reason(int code) {
        if (failed != null) {
            return failed.reason();
        }
        String how = code > SIGNALS ? "ended by signal " + (code - SIGNALS) : "ended with exit code " + code;
        return lastLine.isEmpty() ? how : how + "; its last words: " + lastLine;
    }

    private Thread thread(String what, Runnable body) {
        return Thread.ofPlatform().daemon().name("rank-" + rank + "-" + what).unstarted(body);
    }
}
