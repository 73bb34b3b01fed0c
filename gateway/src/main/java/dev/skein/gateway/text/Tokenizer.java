package dev.skein.gateway.text;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import dev.skein.protocol.v1.TokenizerModel;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Text to ids. Thread-safe; each call blocks its thread for about a microsecond a character, and must not run on a
 * virtual thread (it would pin its carrier).
 *
 * <p>Ids that begin or end a text ({@code add_bos}, {@code add_eos}) are added on demand. Text that spells a special
 * token becomes that token, which is what chat templates live on.
 */
public final class Tokenizer implements AutoCloseable {
    // Of the library: its truncation and padding would change prompts without a word.
    private static final Map<String, String> AS_IT_IS =
            Map.of("addSpecialTokens", "true", "truncation", "do_not_truncate", "padding", "do_not_pad");

    private final HuggingFaceTokenizer library;
    private final Vocabulary vocabulary;
    private final boolean ownEnds;
    private final int[] before;
    private final int[] after;

    private Tokenizer(HuggingFaceTokenizer library, Vocabulary vocabulary, boolean ownEnds, int[] before, int[] after) {
        this.library = library;
        this.vocabulary = vocabulary;
        this.ownEnds = ownEnds;
        this.before = before;
        this.after = after;
    }

    /**
     * Builds it: about 0.2 s for 50,000 tokens.
     *
     * @param cache where the native library is unpacked, once
     * @throws TokenizerException if the vocabulary is of a kind not known, or broken
     */
    public static Tokenizer of(TokenizerModel model, Path cache) {
        if (System.getProperty("DJL_CACHE_DIR") == null) {
            System.setProperty("DJL_CACHE_DIR", cache.toString());
        }
        if (!model.getTokenizerJson().isEmpty()) {
            byte[] json = model.getTokenizerJson().toByteArray();
            return new Tokenizer(load(json), Vocabularies.of(json), true, new int[0], new int[0]);
        }
        if (!model.hasGguf() || model.getGguf().getTokensCount() == 0) {
            throw new TokenizerException("the model file holds no vocabulary; give one that does");
        }
        return new Tokenizer(
                load(TokenizerJson.of(model.getGguf())),
                Vocabularies.of(model.getGguf()),
                false,
                end(model.getAddBos(), model.hasBosTokenId(), model.getBosTokenId()),
                end(model.getAddEos(), model.hasEosTokenId(), model.getEosTokenId()));
    }

    public Vocabulary vocabulary() {
        return vocabulary;
    }

    /** @param addSpecial whether the ids that begin and end a text are added */
    public int[] encode(String text, boolean addSpecial) {
        if (ownEnds) {
            return narrow(text, addSpecial, 0, 0);
        }
        int[] ids = narrow(text, false, addSpecial ? before.length : 0, addSpecial ? after.length : 0);
        if (addSpecial) {
            System.arraycopy(before, 0, ids, 0, before.length);
            System.arraycopy(after, 0, ids, ids.length - after.length, after.length);
        }
        return ids;
    }

    private int[] narrow(String text, boolean addSpecial, int before, int after) {
        if (text.isEmpty() && !addSpecial) {
            return new int[before + after];
        }
        long[] wide = library.encode(whole(text), addSpecial, false).getIds();
        int[] ids = new int[before + wide.length + after];
        for (int i = 0; i < wide.length; i++) {
            ids[before + i] = (int) wide[i];
        }
        return ids;
    }

    /** Frees the native tokenizer. */
    @Override
    public void close() {
        library.close();
    }

    private static HuggingFaceTokenizer load(byte[] json) {
        try {
            return HuggingFaceTokenizer.newInstance(new ByteArrayInputStream(json), AS_IT_IS);
        } catch (IOException | RuntimeException | LinkageError e) {
            throw new TokenizerException("the tokenizer cannot be built: " + e.getMessage(), e);
        }
    }

    private static int[] end(boolean add, boolean has, int id) {
        return add && has ? new int[] {id} : new int[0];
    }

    /** Half a surrogate pair, which a client cut in two, is no character; the library would refuse the whole text. */
    private static String whole(String text) {
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
