package dev.skein.loadtest.plan;

import io.vertx.core.json.JsonObject;
import java.util.Random;
import java.util.random.RandomGenerator;
import java.util.stream.Collectors;

/// What is asked of a server in one run.
///
/// @param requests in all
/// @param extra put into every request's body, over what is there
public record Load(
        Pattern pattern, int requests, Sizes sizes, Prefix prefix, Dialect dialect, JsonObject extra, long seed) {
    private static final String[] WORDS = {
        "goose", "river", "north", "wing", "early", "field", "cloud", "follow", "leader", "winter", "water", "long",
        "light", "road", "stone", "quiet", "many", "hill", "wind", "return"
    };

    // Large odd numbers, so that no two requests of runs and seeds that people give share a random sequence.
    private static final long OF_SEED = 0x9E3779B97F4A7C15L;
    private static final long OF_ROUND = 0xC2B2AE3D27D4EB4FL;
    private static final long OF_REQUEST = 0x165667B19E3779F9L;
    private static final long OF_TIMES = 0x27D4EB2F165667C5L;
    private static final long OF_PREFIX = 0x85EBCA77C2B2AE63L;

    public Load {
        extra = extra.copy();
        if (requests < 1) {
            throw new IllegalArgumentException(requests + " requests; at least 1 is needed");
        }
        if (pattern instanceof Pattern.Replay trace && requests > trace.millis().length) {
            throw new IllegalArgumentException(
                    requests + " requests of a trace of " + trace.millis().length + "; ask for no more than it has");
        }
    }

    /// When each request of an open loop is due, in nanoseconds from the start of the run.
    public long[] due(Pattern.Open open, int round) {
        return open.due(requests, new Random(seed * OF_SEED + round * OF_ROUND + OF_TIMES));
    }

    /// The body of one request.
    ///
    /// @param round of the run; another one makes another prompt
    public JsonObject body(String model, int round, int request) {
        Random random = new Random(seed * OF_SEED + round * OF_ROUND + (request + 1) * OF_REQUEST);
        Sizes.Size size = sizes.of(request, random);
        JsonObject body = new JsonObject()
                .put("model", model)
                .put("max_tokens", size.maxTokens())
                .put("temperature", 0)
                .put("ignore_eos", true)
                .put("stream", true)
                .put("stream_options", JsonObject.of("include_usage", true));
        dialect.prompt(body, prompt(request, size, random));
        return body.mergeIn(extra);
    }

    private String prompt(int request, Sizes.Size size, Random random) {
        if (prefix.words() == 0) {
            return words(Math.max(1, size.promptWords()), random);
        }
        Random shared = new Random(seed * OF_SEED + (request % prefix.count() + 1) * OF_PREFIX);
        return (words(prefix.words(), shared) + " " + words(size.promptWords(), random)).strip();
    }

    private static String words(int count, RandomGenerator random) {
        return random.ints(count, 0, WORDS.length).mapToObj(word -> WORDS[word]).collect(Collectors.joining(" "));
    }

    /// In words, for reports.
    public String text() {
        return pattern.text() + ", " + requests + " requests a run, " + sizes.text()
                + (prefix.words() == 0 ? "" : ", after " + prefix.count() + " shared beginnings of " + prefix.words())
                + ", " + dialect;
    }

    /// For reports that programs read.
    public JsonObject json() {
        return new JsonObject()
                .put("pattern", pattern.text())
                .put("requests", requests)
                .put("sizes", sizes.text())
                .put("prefix_words", prefix.words())
                .put("prefixes", prefix.count())
                .put("endpoint", dialect.path())
                .put("extra_body", extra)
                .put("seed", seed);
    }
}
