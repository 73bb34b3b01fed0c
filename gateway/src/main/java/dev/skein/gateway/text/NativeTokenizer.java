package dev.skein.gateway.text;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;

/** Any tokenizer.json, by Hugging Face's native library. Loading the library takes most of a second, once. */
final class NativeTokenizer extends Tokenizer {
    // The library's own truncation and padding would change prompts without a word.
    private static final Map<String, String> AS_IT_IS =
            Map.of("addSpecialTokens", "true", "truncation", "do_not_truncate", "padding", "do_not_pad");

    // What no vocabulary holds: a tokenizer that names a token for that which it lacks fails only here.
    private static final String STRANGE = "\u0001\uD83E\uDD86\uE000 \u00DF";

    private final HuggingFaceTokenizer library;
    private final boolean addsEnds;

    /**
     * @param addsEnds whether the file itself says which ids begin and end a text
     * @param cache where the native library is unpacked, once
     */
    NativeTokenizer(byte[] json, Vocabulary vocabulary, Ends ends, boolean addsEnds, Path cache) {
        super(vocabulary, ends);
        this.addsEnds = addsEnds;
        preset("DJL_CACHE_DIR", cache.toString());
        // Else it asks the cloud's metadata service who we are, and tells its makers.
        preset("OPT_OUT_TRACKING", "true");
        preset("ai.djl.offline", "true");
        try {
            library = HuggingFaceTokenizer.newInstance(new ByteArrayInputStream(json), AS_IT_IS);
        } catch (IOException | RuntimeException | LinkageError e) {
            throw new TokenizerException("the tokenizer cannot be built: " + e.getMessage(), e);
        }
        try {
            encoded(STRANGE, true);
        } catch (TokenizerException unusable) {
            library.close();
            throw unusable;
        }
    }

    private static void preset(String property, String value) {
        if (System.getProperty(property) == null) {
            System.setProperty(property, value);
        }
    }

    @Override
    public int[] encode(String text, boolean addSpecial) {
        return addsEnds ? encoded(whole(text), addSpecial) : super.encode(text, addSpecial);
    }

    @Override
    int[] encode(String text) {
        return text.isEmpty() ? new int[0] : encoded(text, false);
    }

    private int[] encoded(String text, boolean addSpecial) {
        long[] wide;
        try {
            wide = library.encode(text, addSpecial, false).getIds();
        } catch (RuntimeException e) {
            throw new TokenizerException("the model's tokenizer cannot encode a text: " + e.getMessage(), e);
        }
        int[] ids = new int[wide.length];
        for (int i = 0; i < wide.length; i++) {
            ids[i] = (int) wide[i];
        }
        return ids;
    }

    @Override
    public void close() {
        library.close();
    }
}
