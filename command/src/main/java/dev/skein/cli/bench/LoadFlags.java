package dev.skein.cli.bench;

import dev.skein.cli.CommandException;
import dev.skein.loadtest.measure.Goal;
import dev.skein.loadtest.plan.Dialect;
import dev.skein.loadtest.plan.Load;
import dev.skein.loadtest.plan.Pattern;
import dev.skein.loadtest.plan.Prefix;
import dev.skein.loadtest.plan.Sizes;
import dev.skein.loadtest.plan.Trace;
import io.vertx.core.json.DecodeException;
import io.vertx.core.json.JsonObject;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;

/// The flags of `skein bench` that say what to ask of servers, and when.
final class LoadFlags {
    private static final int REQUESTS = 32;

    @CommandLine.Option(
            names = "--clients",
            paramLabel = "N",
            defaultValue = "8",
            description = "that each ask again when they have their answer (closed loop); default ${DEFAULT-VALUE}")
    private int clients;

    @CommandLine.Option(
            names = "--rate",
            paramLabel = "R",
            description = "requests a second, answered or not (open loop), in place of --clients")
    private @Nullable Double rate;

    @CommandLine.Option(
            names = "--burstiness",
            paramLabel = "B",
            defaultValue = "1",
            description = "of a --rate: 1 for random times (Poisson), less for bursts, more for evener times, inf for"
                    + " the same gap always; default ${DEFAULT-VALUE}")
    private String burstiness = "1";

    @CommandLine.Option(
            names = "--trace",
            paramLabel = "FILE",
            description =
                    "replay it, in place of --clients: lines such as {\"timestamp\": MILLIS, \"input_length\": 512,"
                            + " \"output_length\": 128}")
    private @Nullable Path trace;

    @CommandLine.Option(
            names = "--trace-speed",
            paramLabel = "X",
            defaultValue = "1",
            description = "2 replays twice as fast; default ${DEFAULT-VALUE}")
    private double traceSpeed;

    @CommandLine.Option(
            names = "--max-concurrency",
            paramLabel = "N",
            defaultValue = "0",
            description =
                    "open at once with --rate or --trace; waiting for a place counts as latency; default: no bound")
    private int maxConcurrency;

    @CommandLine.Option(
            names = "--requests",
            paramLabel = "N",
            description = "in each run; default " + REQUESTS + ", or all of a trace")
    private @Nullable Integer requests;

    @CommandLine.Option(
            names = "--prompt-words",
            paramLabel = "N",
            defaultValue = "64",
            description = "of each prompt, each about a token; or a range such as 16-256; default ${DEFAULT-VALUE}")
    private String promptWords = "64";

    @CommandLine.Option(
            names = "--max-tokens",
            paramLabel = "N",
            defaultValue = "128",
            description = "of each answer, or a range; default ${DEFAULT-VALUE}")
    private String maxTokens = "128";

    @CommandLine.Option(
            names = "--lengths",
            paramLabel = "FILE",
            description = "lengths of prompts and answers in turn, in lines as a trace's, whose times are not used")
    private @Nullable Path lengths;

    @CommandLine.Option(
            names = "--prefix-words",
            paramLabel = "N",
            defaultValue = "0",
            description = "with which all prompts begin alike; default ${DEFAULT-VALUE}")
    private int prefixWords;

    @CommandLine.Option(
            names = "--prefixes",
            paramLabel = "N",
            defaultValue = "1",
            description = "how many such beginnings there are; default ${DEFAULT-VALUE}")
    private int prefixes;

    @CommandLine.Option(
            names = "--endpoint",
            paramLabel = "NAME",
            defaultValue = "completions",
            description = "completions or chat; default ${DEFAULT-VALUE}")
    private String endpoint = "completions";

    @CommandLine.Option(
            names = "--extra-body",
            paramLabel = "JSON",
            defaultValue = "{}",
            description = "put into every request, such as {\"temperature\": 0.7}")
    private String extraBody = "{}";

    @CommandLine.Option(
            names = "--seed",
            paramLabel = "N",
            defaultValue = "1",
            description = "of prompts, lengths and times; default ${DEFAULT-VALUE}")
    private long seed;

    @CommandLine.Option(
            names = "--goodput",
            paramLabel = "KEY:MS",
            arity = "1..*",
            description = "also count requests that kept all bounds, of ttft, tpot and e2el, such as ttft:500 tpot:50")
    private List<String> goodput = List.of();

    /// @throws CommandException if the flags are no load
    Load load() {
        try {
            Trace timed = trace == null ? null : Trace.timed(trace.toString(), lines(trace));
            Pattern pattern = timed == null ? pattern() : replay(timed);
            int count = requests != null ? requests : timed == null ? REQUESTS : timed.requests();
            return new Load(
                    pattern,
                    count,
                    timed == null ? sizes() : timed.sizes(),
                    new Prefix(prefixWords, prefixes),
                    Dialect.of(endpoint),
                    new JsonObject(extraBody),
                    seed);
        } catch (DecodeException e) {
            throw CommandException.usage("--extra-body " + extraBody + " is no JSON object");
        } catch (IllegalArgumentException e) {
            throw CommandException.usage(e.getMessage());
        }
    }

    /// @throws CommandException if the bounds are not understood
    Goal goal() {
        try {
            return Goal.parse(goodput);
        } catch (IllegalArgumentException e) {
            throw CommandException.usage("--goodput: " + e.getMessage());
        }
    }

    private Pattern replay(Trace timed) {
        if (rate != null || lengths != null) {
            throw new IllegalArgumentException(
                    "--trace says when and how long requests are; leave out --rate and --lengths");
        }
        return timed.replay(traceSpeed, maxConcurrency);
    }

    private Pattern pattern() {
        if (rate != null) {
            return new Pattern.Rate(rate, burstiness(), maxConcurrency);
        }
        if (maxConcurrency != 0) {
            throw new IllegalArgumentException(
                    "--max-concurrency needs --rate or --trace; --clients is a bound already");
        }
        return new Pattern.Clients(clients);
    }

    private double burstiness() {
        try {
            return "inf".equals(burstiness) ? Double.POSITIVE_INFINITY : Double.parseDouble(burstiness);
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException("--burstiness " + burstiness + " is no number and not inf");
        }
    }

    private Sizes sizes() {
        return lengths == null
                ? new Sizes.Spread(Sizes.Range.parse(promptWords), Sizes.Range.parse(maxTokens))
                : Trace.lengths(lengths.toString(), lines(lengths)).sizes();
    }

    private static List<String> lines(Path file) {
        try {
            return Files.readAllLines(file);
        } catch (IOException e) {
            throw CommandException.usage(file + " cannot be read: " + e);
        }
    }
}
