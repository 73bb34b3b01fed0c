package dev.skein.gateway.text;

import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * How a byte-level tokenizer parts text into words before it merges: one pattern after the other, each parting what the
 * one before has left whole, matches and gaps alike.
 *
 * <p>A GGUF file holds only a rule's name. What a name stands for is a fact of the models' own tokenizer files; a name
 * not known is refused, since a wrong rule would give wrong ids without a sign.
 *
 * @param composed whether text is brought to Unicode's form NFC first
 * @param wholeWords whether a word that is in the vocabulary is taken as it is, even where no merges lead to it
 */
record Splitting(List<Pattern> stages, boolean composed, boolean wholeWords) {
    private static final Pattern GPT2 =
            pattern("'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+");
    private static final Pattern DIGIT = pattern("\\p{N}");
    // Llama 3 and Qwen 2 differ in how many digits stand together.
    private static final String WORDS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|%s"
            + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

    /** @throws TokenizerException for a name that is not known */
    static Splitting named(String pre) {
        return switch (pre) {
            case "", "default", "gpt-2", "gpt2" -> new Splitting(List.of(GPT2), false, false);
            case "smollm", "starcoder", "refact" -> new Splitting(List.of(DIGIT, GPT2), false, false);
            case "llama-bpe", "llama-v3", "llama3" ->
                new Splitting(List.of(pattern(WORDS.formatted("\\p{N}{1,3}"))), false, true);
            case "qwen2", "deepseek-r1-qwen" -> new Splitting(List.of(pattern(WORDS.formatted("\\p{N}"))), true, false);
            default ->
                throw new TokenizerException(
                        "the splitting rule " + pre + " (tokenizer.ggml.pre) is not known; known are"
                                + " gpt-2, smollm, starcoder, refact, llama-bpe, qwen2");
        };
    }

    // \s must be Unicode's white space, and case must fold as Unicode says.
    private static Pattern pattern(String regex) {
        return Pattern.compile(regex, Pattern.UNICODE_CHARACTER_CLASS);
    }

    /** Hears of words, in order. */
    interface Sink {
        void word(int from, int to);
    }

    /** Parts {@code text} between {@code from} and {@code to}; what stands outside is not seen. */
    void split(CharSequence text, int from, int to, Sink sink) {
        split(0, text, from, to, sink);
    }

    private void split(int stage, CharSequence text, int from, int to, Sink sink) {
        if (stage == stages.size()) {
            sink.word(from, to);
            return;
        }
        Matcher matcher = stages.get(stage).matcher(text).region(from, to);
        int at = from;
        while (matcher.find()) {
            if (matcher.start() > at) {
                split(stage + 1, text, at, matcher.start(), sink);
            }
            split(stage + 1, text, matcher.start(), matcher.end(), sink);
            at = matcher.end();
        }
        if (at < to) {
            split(stage + 1, text, at, to, sink);
        }
    }
}
