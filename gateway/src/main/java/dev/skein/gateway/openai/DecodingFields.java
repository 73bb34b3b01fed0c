package dev.skein.gateway.openai;

import static dev.skein.gateway.openai.ApiException.bad;

import dev.skein.gateway.text.StopStrings;
import dev.skein.gateway.text.TextStream;
import dev.skein.protocol.v1.SamplingParameters;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Reads a {@link Decoding}: first the types of all fields, then each value's bounds in a fixed order. */
final class DecodingFields {
    private static final double GREEDY = 1e-5;
    private static final double COLDEST = 0.01;
    private static final int MOST_CHOICES = 16_384;
    private static final int COMPLETION_TOKENS = 16;
    private static final int MOST_STOPS = 4;
    private static final int MOST_BAD_WORDS = 128;
    private static final int LONGEST_BAD_WORD = 1000;
    // What a stop string holds back is text that the client waits for.
    private static final int LONGEST_STOP = 4096;
    private static final int LONGEST_REQUEST_ID = 200;
    private static final int LONGEST_SALT = 4096;

    private final Fields body;
    private final RequestRules rules;
    private final boolean chat;

    DecodingFields(Fields body, RequestRules rules, boolean chat) {
        this.body = body;
        this.rules = rules;
        this.chat = chat;
    }

    Decoding read() {
        String model = body.text("model");
        Long n = body.integer("n");
        Long bestOf = body.integer("best_of");
        Long priority = body.integer("priority");
        String salt = body.text("cache_salt");
        String requestId = body.text("request_id");
        boolean addSpecialTokens = body.flag("add_special_tokens", !chat);
        Decoding.Truncation truncation = Truncations.read(body, true);
        Decoding.Show show = show();
        Integer maxTokens = maxTokens(show.echo());
        SamplingParameters.Builder sampling = sampling(show);
        int choices = choices("n", n, sampling);
        int candidates = bestOf == null ? choices : choices("best_of", bestOf, sampling);
        TextStream.Rules text = text(sampling, maxTokens);
        List<String> badWords = badWords();
        body.check();
        if (candidates < choices) {
            throw bad("best_of", "best_of is " + candidates + ", and n, the answers wanted of them, is " + choices);
        }
        if (candidates > choices && show.stream()) {
            throw bad("best_of", "best_of does not go with a stream, as all have to end first; set stream to false");
        }
        if (salt != null && (salt.isEmpty() || salt.length() > LONGEST_SALT)) {
            throw bad("cache_salt", "cache_salt must have 1 to 4096 characters, got " + salt.length());
        }
        if (requestId != null && requestId.length() > LONGEST_REQUEST_ID) {
            throw bad("request_id", "request_id has " + requestId.length() + " characters; it may have 200");
        }
        return new Decoding(
                model == null ? "" : model,
                choices,
                candidates,
                sampling.build(),
                badWords,
                maxTokens,
                tokensOtherwise(),
                text,
                show,
                truncation,
                addSpecialTokens,
                priority == null ? 0 : priority,
                salt == null ? "" : salt,
                requestId);
    }

    private int choices(String name, @Nullable Long asked, SamplingParameters.Builder sampling) {
        body.check();
        long choices = asked == null ? 1 : asked;
        between(name, choices, 1, Math.min(MOST_CHOICES, rules.maxSequences()));
        if (choices > 1 && sampling.getTemperature() == 0) {
            throw bad(
                    name,
                    name + " is " + choices + ", and greedy sampling (temperature 0) gives one answer only; make it 1"
                            + " or raise the temperature");
        }
        return (int) choices;
    }

    private @Nullable Integer maxTokens(boolean echo) {
        String name = chat && body.has("max_completion_tokens") ? "max_completion_tokens" : "max_tokens";
        Integer asked = body.size(name);
        body.check();
        int least = !chat && echo ? 0 : 1;
        if (asked != null && asked < least) {
            throw bad(name, name + " must be at least " + least + ", got " + asked);
        }
        return asked;
    }

    private int tokensOtherwise() {
        Integer configured = rules.defaults().maxTokens();
        int most = configured == null ? Integer.MAX_VALUE : configured;
        return chat ? most : Math.min(most, COMPLETION_TOKENS);
    }

    private Decoding.Show show() {
        boolean stream = body.flag("stream", false);
        Fields options = body.object("stream_options");
        boolean usage = options != null && options.flag("include_usage", false);
        boolean continuous = options != null && options.flag("continuous_usage_stats", false);
        Integer logprobs = chat ? chatLogprobs() : completionLogprobs();
        Long prompt = body.integer("prompt_logprobs");
        Decoding.Show show = new Decoding.Show(
                stream,
                usage || rules.forceUsage(),
                usage && continuous || rules.forceUsage(),
                body.flag("echo", false),
                logprobs,
                prompt == null ? null : likely("prompt_logprobs", prompt),
                body.flag("return_token_ids", false),
                body.flag("return_tokens_as_token_ids", rules.tokensAsIds()),
                body.flag("return_prompt_text", false));
        body.check();
        if (options != null && !stream) {
            throw bad("stream_options", "stream_options is only for streams; set stream to true or leave it out");
        }
        if (prompt != null && stream) {
            throw bad("prompt_logprobs", "prompt_logprobs does not go with a stream; set stream to false");
        }
        return show;
    }

    private @Nullable Integer chatLogprobs() {
        boolean wanted = body.flag("logprobs", false);
        Long top = body.integer("top_logprobs");
        body.check();
        if (top != null && top != 0 && !wanted) {
            throw bad("top_logprobs", "top_logprobs needs logprobs to be true");
        }
        return wanted ? likely("top_logprobs", top == null ? 0 : top) : null;
    }

    private @Nullable Integer completionLogprobs() {
        Long logprobs = body.integer("logprobs");
        body.check();
        return logprobs == null ? null : likely("logprobs", logprobs);
    }

    private Integer likely(String name, long count) {
        if (count < 0 || count > rules.maxLogprobs()) {
            throw bad(
                    name, name + " must be 0 to " + rules.maxLogprobs() + " (the server's max-logprobs), got " + count);
        }
        return (int) count;
    }

    /** Sampling fields once their types are right and before their bounds are looked at. */
    private record Asked(
            double temperature,
            double topP,
            int topK,
            double minP,
            double repetition,
            double frequency,
            double presence,
            long minTokens,
            @Nullable Long seed,
            boolean ignoreEos,
            @Nullable List<Long> stopIds,
            @Nullable List<Long> allowedIds) {}

    private Asked asked() {
        SamplingDefaults otherwise = rules.defaults();
        Integer topK = body.size("top_k");
        Asked asked = new Asked(
                number("temperature", otherwise.temperature()),
                number("top_p", otherwise.topP()),
                topK == null ? otherwise.topK() : topK,
                number("min_p", otherwise.minP()),
                number("repetition_penalty", otherwise.repetitionPenalty()),
                number("frequency_penalty", 0),
                number("presence_penalty", 0),
                integer("min_tokens", 0),
                body.integer("seed"),
                body.flag("ignore_eos", false),
                body.integers("stop_token_ids"),
                body.integers("allowed_token_ids"));
        body.check();
        return asked;
    }

    private SamplingParameters.Builder sampling(Decoding.Show show) {
        Asked asked = asked();
        SamplingParameters.Builder sampling = SamplingParameters.newBuilder();
        distribution(sampling, asked);
        penalties(sampling, asked);
        between("min_tokens", asked.minTokens(), 0, Integer.MAX_VALUE);
        sampling.setMinTokens((int) asked.minTokens()).setIgnoreEos(asked.ignoreEos());
        Long seed = asked.seed();
        if (seed != null && seed != -1) {
            sampling.setSeed(seed);
        }
        ids("stop_token_ids", asked.stopIds()).forEach(sampling::addStopTokenIds);
        List<Long> allowed = asked.allowedIds();
        if (allowed != null && allowed.isEmpty()) {
            throw bad("allowed_token_ids", "allowed_token_ids is empty, so nothing could be sampled; leave it out");
        }
        ids("allowed_token_ids", allowed).forEach(sampling::addAllowedTokenIds);
        bias(sampling);
        logprobs(sampling, show);
        return sampling;
    }

    private void distribution(SamplingParameters.Builder sampling, Asked asked) {
        between("temperature", asked.temperature(), 0, 2);
        if (!(asked.topP() > 0 && asked.topP() <= 1)) {
            throw bad("top_p", "top_p must be above 0 and at most 1, got " + plain(asked.topP()));
        }
        if (asked.topK() < -1) {
            throw bad("top_k", "top_k must be -1 or 0 (off) or above 0, got " + asked.topK());
        }
        between("min_p", asked.minP(), 0, 1);
        if (asked.temperature() < GREEDY) {
            // The likeliest id stays the likeliest whatever is cut off around it.
            sampling.setTemperature(0).setTopP(1);
            return;
        }
        sampling.setTemperature((float) Math.max(asked.temperature(), COLDEST));
        sampling.setTopP((float) asked.topP()).setMinP((float) asked.minP());
        // More than there are is all of them.
        sampling.setTopK(Math.clamp(asked.topK(), 0, rules.vocabulary()));
    }

    private static void penalties(SamplingParameters.Builder sampling, Asked asked) {
        if (!(asked.repetition() > 0 && asked.repetition() <= Float.MAX_VALUE)) {
            throw bad("repetition_penalty", "repetition_penalty must be above 0, got " + plain(asked.repetition()));
        }
        between("frequency_penalty", asked.frequency(), -2, 2);
        between("presence_penalty", asked.presence(), -2, 2);
        sampling.setRepetitionPenalty((float) asked.repetition());
        sampling.setFrequencyPenalty((float) asked.frequency()).setPresencePenalty((float) asked.presence());
    }

    private static void logprobs(SamplingParameters.Builder sampling, Decoding.Show show) {
        if (show.logprobs() != null) {
            sampling.setLogprobs(show.logprobs());
        }
        if (show.promptLogprobs() != null) {
            sampling.setPromptLogprobs(show.promptLogprobs());
        }
    }

    private void bias(SamplingParameters.Builder sampling) {
        Object raw = body.raw("logit_bias");
        if (raw == null) {
            return;
        }
        if (!(raw instanceof Map<?, ?> map)) {
            body.wrong("logit_bias", "an object from token ids to numbers", raw);
            body.check();
            return;
        }
        map.forEach((key, value) -> {
            Long id = Fields.asInteger(key);
            Double bias = value == null ? null : Fields.asNumber(value);
            if (id == null || bias == null) {
                body.wrong("logit_bias." + key, "a token id with a number", value);
            } else {
                inVocabulary("logit_bias", id);
                sampling.putLogitBias(id.intValue(), (float) Math.clamp(bias, -100, 100));
            }
        });
        body.check();
    }

    private TextStream.Rules text(SamplingParameters.Builder sampling, @Nullable Integer maxTokens) {
        List<String> stops = body.texts("stop");
        boolean include = body.flag("include_stop_str_in_output", false);
        boolean skipSpecial = body.flag("skip_special_tokens", true);
        body.flag("spaces_between_special_tokens", true);
        body.check();
        if (stops.size() > MOST_STOPS) {
            throw bad("stop", "stop has " + stops.size() + " strings; it may have 4");
        }
        for (String stop : stops) {
            if (stop.isEmpty() || stop.length() > LONGEST_STOP) {
                throw bad("stop", "a stop string must have 1 to 4096 characters, got " + stop.length());
            }
        }
        if (maxTokens != null && sampling.getMinTokens() > maxTokens) {
            throw bad("min_tokens", "min_tokens is " + sampling.getMinTokens() + ", above max_tokens, " + maxTokens);
        }
        Set<Integer> stopIds = new HashSet<>(sampling.getStopTokenIdsList());
        if (!sampling.getIgnoreEos()) {
            stopIds.addAll(rules.eosIds());
        }
        return new TextStream.Rules(new StopStrings(stops), include, sampling.getMinTokens(), stopIds, skipSpecial);
    }

    private List<String> badWords() {
        List<String> words = body.texts("bad_words");
        body.check();
        if (words.size() > MOST_BAD_WORDS) {
            throw bad("bad_words", "bad_words has " + words.size() + " words; it may have 128");
        }
        for (String word : words) {
            if (word.isBlank() || word.length() > LONGEST_BAD_WORD) {
                throw bad(
                        "bad_words",
                        "a bad word must have 1 to 1000 characters and not only spaces, got " + word.length());
            }
        }
        return words;
    }

    private List<Integer> ids(String name, @Nullable List<Long> ids) {
        if (ids == null) {
            return List.of();
        }
        if (ids.size() > rules.vocabulary()) {
            throw bad(name, name + " has " + ids.size() + " ids, more than the vocabulary");
        }
        ids.forEach(id -> inVocabulary(name, id));
        return ids.stream().map(Long::intValue).toList();
    }

    private void inVocabulary(String name, long id) {
        if (id < 0 || id >= rules.vocabulary()) {
            throw bad(
                    name,
                    name + " holds the token id " + id + ", and the vocabulary has 0 to " + (rules.vocabulary() - 1));
        }
    }

    private double number(String name, double otherwise) {
        Double number = body.number(name);
        return number == null ? otherwise : number;
    }

    private long integer(String name, long otherwise) {
        Long number = body.integer(name);
        return number == null ? otherwise : number;
    }

    private static void between(String name, double value, double least, double most) {
        if (!(value >= least && value <= most)) {
            throw bad(name, name + " must be " + plain(least) + " to " + plain(most) + ", got " + plain(value));
        }
    }

    private static String plain(double value) {
        return value == Math.rint(value) && Math.abs(value) < 1e15
                ? Long.toString((long) value)
                : Double.toString(value);
    }
}
