package dev.skein.cli.bench;

import dev.skein.cli.CommandException;
import dev.skein.cli.Signals;
import dev.skein.cli.client.Arguments;
import dev.skein.cli.model.Progress;
import dev.skein.loadtest.Address;
import dev.skein.loadtest.LoadException;
import dev.skein.loadtest.LoadTest;
import dev.skein.loadtest.Peer;
import dev.skein.loadtest.report.Report;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;

/// `skein bench --url`: the terminal's side of a load test.
final class ServerBench {
    private static final int SIGNALLED = 128;

    @CommandLine.Option(names = "--url", paramLabel = "URL", description = "a server to measure")
    private @Nullable String url;

    @CommandLine.Option(names = "--peer-url", paramLabel = "URL", description = "another, measured in turns with it")
    private @Nullable String peerUrl;

    @CommandLine.Option(
            names = "--peer",
            paramLabel = "COMMAND",
            description =
                    "start the other by this command of the shell, and end it afterwards; it answers at --peer-url,"
                            + " or at the --port that it names")
    private @Nullable String peer;

    @CommandLine.Option(
            names = "--peer-timeout",
            paramLabel = "S",
            defaultValue = "600",
            description = "seconds that it may take to answer; default ${DEFAULT-VALUE}")
    private int peerTimeout;

    @CommandLine.Option(
            names = "--peer-model",
            paramLabel = "NAME",
            description = "that the other serves; default: its first")
    private @Nullable String peerModel;

    @CommandLine.Option(names = "--api-key", paramLabel = "KEY", description = "the server's; default $SKEIN_API_KEY")
    private @Nullable String key;

    @CommandLine.Option(
            names = "--timeout",
            paramLabel = "SECONDS",
            defaultValue = "300",
            description = "of silence after which a request has failed; default ${DEFAULT-VALUE}")
    private int timeout;

    @CommandLine.Option(names = "--html", paramLabel = "FILE", description = "also write a page with charts")
    private @Nullable Path html;

    @CommandLine.Mixin
    private final LoadFlags flags = new LoadFlags();

    /// Whether a server is to be measured, rather than the engine.
    ///
    /// @throws CommandException if only its peer is named
    boolean asked() {
        if (url == null && (peerUrl != null || peer != null || html != null)) {
            throw CommandException.usage("--peer, --peer-url and --html need --url, the server to measure");
        }
        return url != null;
    }

    /// @param model that requests name; null for the first that the server serves
    /// @param json where to write the report for programs: a file, or - for standard output; null for
    ///     nowhere
    int run(@Nullable String model, int runs, @Nullable String json) {
        if (timeout < 1 || peerTimeout < 1) {
            throw CommandException.usage("--timeout and --peer-timeout must be at least 1 second");
        }
        Address ours = address("--url", String.valueOf(url), Arguments.key(key), model);
        Address other = other();
        Progress line = Progress.onStandardError();
        try (LoadTest test = new LoadTest(
                flags.load(), flags.goal(), Duration.ofSeconds(timeout), progress -> update(line, progress))) {
            Signals.handle(_ -> test.stop(), signal -> System.exit(SIGNALLED + signal));
            try (Peer started = other == null ? null : start(test, line, other)) {
                Report report = test.run(ours, other, runs);
                line.clear();
                print(report, json);
                return test.stopped()
                        ? SIGNALLED + Signals.INTERRUPT
                        : report.ended() == null ? 0 : CommandException.FAILED;
            }
        } catch (LoadException e) {
            line.clear();
            throw CommandException.failed(e.getMessage());
        }
    }

    private @Nullable Address other() {
        if (peer == null && peerUrl == null) {
            return null;
        }
        try {
            String where = peerUrl != null ? peerUrl : Peer.url(String.valueOf(peer));
            return address("--peer-url", where, null, peerModel);
        } catch (IllegalArgumentException e) {
            throw CommandException.usage(e.getMessage());
        }
    }

    private static Address address(String flag, String url, @Nullable String key, @Nullable String model) {
        try {
            return new Address(url, key, model);
        } catch (IllegalArgumentException e) {
            throw CommandException.usage(flag + " " + e.getMessage());
        }
    }

    private @Nullable Peer start(LoadTest test, Progress line, Address other) {
        if (peer == null) {
            return null;
        }
        line.say("starting the peer: " + peer);
        return test.startPeer(peer, other, Duration.ofSeconds(peerTimeout));
    }

    /// Without a terminal nobody watches, and a log wants no such lines.
    private static void update(Progress line, LoadTest.Progress progress) {
        if (line.live()) {
            line.update(text(progress));
        }
    }

    static String text(LoadTest.Progress progress) {
        return String.format(
                Locale.ROOT,
                "%s  %s  %d of %d requests, %d open%s, %.1f tok/s",
                progress.server(),
                progress.round() == 0 ? "warming up" : "run " + progress.round() + " of " + progress.rounds(),
                progress.ended(),
                progress.requests(),
                progress.open(),
                progress.failed() == 0 ? "" : ", " + progress.failed() + " failed",
                progress.tokensPerSecond());
    }

    private void print(Report report, @Nullable String json) {
        if ("-".equals(json)) {
            System.out.println(report.json().encodePrettily());
        } else {
            System.out.print(report.text());
            if (json != null) {
                write(Path.of(json), report.json().encodePrettily() + "\n");
            }
        }
        if (html != null) {
            write(html, report.html());
        }
    }

    static void write(Path file, String text) {
        try {
            Files.writeString(file, text);
            System.err.println("skein: wrote " + file);
        } catch (IOException e) {
            throw CommandException.failed(file + " cannot be written: " + e);
        }
    }
}
