package dev.skein.gateway.text;

import dev.skein.protocol.v1.GgufVocabulary;
import dev.skein.protocol.v1.TokenizerModel;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * Text to ids. Thread-safe; each call blocks its thread for up to a microsecond a character, and must not run on a
 * virtual thread (it may pin its carrier).
 *
 * <p>Ids that begin or end a text are added on demand. Text that spells a special token becomes that token, which is
 * what chat templates live on.
 */
public abstract sealed class Tokenizer implements AutoCloseable permits ByteLevelTokenizer, NativeTokenizer {
    /** Ids that are put before and after a text. */
    record Ends(int[] before, int[] after) {
        static final Ends NONE = new Ends(new int[0], new int[0]);

        static Ends of(TokenizerModel model) {
            return new Ends(
                    end(model.getAddBos(), model.hasBosTokenId(), model.getBosTokenId()),
                    end(model.getAddEos(), model.hasEosTokenId(), model.getEosTokenId()));
        }

        private static int[] end(boolean add, boolean has, int id) {
            return add && has ? new int[] {id} : new int[0];
        }
    }

    private final Vocabulary vocabulary;
    private final Ends ends;

    Tokenizer(Vocabulary vocabulary, Ends ends) {
        this.vocabulary = vocabulary;
        this.ends = ends;
    }

    /**
     * Builds it: in less than 0.1 s for 50,000 tokens of a byte-level vocabulary, in a second for others.
     *
     * @param cache where a native library is unpacked, if one is needed
     * @throws TokenizerException if the vocabulary is of a kind not known, or broken
     */
    public static Tokenizer of(TokenizerModel model, Path cache) {
        if (!model.getTokenizerJson().isEmpty()) {
            byte[] json = model.getTokenizerJson().toByteArray();
            return new NativeTokenizer(json, Vocabularies.of(json), Ends.NONE, true, cache);
        }
        GgufVocabulary gguf = model.getGguf();
        if (gguf.getTokensCount() == 0) {
            throw new TokenizerException("the model file holds no vocabulary; give one that does");
        }
        int tokens = gguf.getTokensCount();
        if (gguf.getTypesCount() > tokens || gguf.getScoresCount() > tokens) {
            throw new TokenizerException("the vocabulary has " + tokens + " tokens, but " + gguf.getTypesCount()
                    + " types and " + gguf.getScoresCount() + " scores; give a model file that is not damaged");
        }
        return switch (gguf.getModel()) {
            case "gpt2" -> new ByteLevelTokenizer(gguf, Ends.of(model));
            case "bert" -> {
                byte[] json = WordPieces.tokenizerJson(gguf);
                yield new NativeTokenizer(json, Vocabularies.of(json), Ends.NONE, true, cache);
            }
            case "llama" ->
                new NativeTokenizer(
                        SentencePiece.tokenizerJson(gguf), Vocabularies.of(gguf), Ends.of(model), false, cache);
            default ->
                throw new TokenizerException(
                        "the tokenizer model " + gguf.getModel() + " is not known (gpt2, llama and bert"
                                + " are); give a model with one of these, or with a tokenizer.json");
        };
    }

    public Vocabulary vocabulary() {
        return vocabulary;
    }

    /** @param addSpecial whether the ids that begin and end a text are added */
    public int[] encode(String text, boolean addSpecial) {
        int[] own = encode(whole(text));
        if (!addSpecial) {
            return own;
        }
        int[] before = ends.before();
        int[] after = ends.after();
        int[] ids = new int[before.length + own.length + after.length];
        System.arraycopy(before, 0, ids, 0, before.length);
        System.arraycopy(own, 0, ids, before.length, own.length);
        System.arraycopy(after, 0, ids, before.length + own.length, after.length);
        return ids;
    }

    /** The ids of {@code text} alone, in which every surrogate has its other half. */
    abstract int[] encode(String text);

    /** Frees what is native. */
    @Override
    public abstract void close();

    /** Half a surrogate pair, which a client cut in two, is no character: it becomes U+FFFD. */
    static String whole(String text) {
        @Nullable StringBuilder fixed = null;
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (Character.isSurrogate(c)) {
                boolean pair = Character.isHighSurrogate(c)
                        && i + 1 < text.length()
                        && Character.isLowSurrogate(text.charAt(i + 1));
                if (pair) {
                    i++;
                } else {
                    fixed = fixed == null ? new StringBuilder(text) : fixed;
                    fixed.setCharAt(i, '\uFFFD');
                }
            }
        }
        return fixed == null ? text : fixed.toString();
    }
}
