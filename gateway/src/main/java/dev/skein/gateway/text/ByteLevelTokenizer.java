package dev.skein.gateway.text;

import dev.skein.protocol.v1.GgufVocabulary;
import java.text.Normalizer;
import java.util.HashMap;
import java.util.Map;

/**
 * Byte-level BPE, as GPT-2 made it and Llama 3, Qwen and SmolLM use it: special tokens are taken out, the rest is split
 * into words, a word's bytes are symbols, and neighbours merge in the order in which training merged them. A byte that
 * the vocabulary lacks is left out.
 *
 * <p>Why not the library, which does the same: loading it takes 0.7 s of processor time, half of what the whole server
 * has until its first token. It is this class's oracle in the tests.
 */
final class ByteLevelTokenizer extends Tokenizer {
    private static final int MISSING = -1;
    private static final int CONTROL = 3;
    private static final int USER_DEFINED = 4;

    private final Splitting splitting;
    private final AddedTokens added;
    private final Merges merges;
    private final int[] byteIds = new int[256];
    private final Map<String, Integer> ids;

    ByteLevelTokenizer(GgufVocabulary gguf, Ends ends) {
        super(Vocabularies.of(gguf), ends);
        splitting = Splitting.named(gguf.getPre());
        ids = HashMap.newHashMap(gguf.getTokensCount());
        for (int id = 0; id < gguf.getTokensCount(); id++) {
            ids.put(gguf.getTokens(id), id);
        }
        for (int b = 0; b < 256; b++) {
            byteIds[b] = ids.getOrDefault(Character.toString(ByteAlphabet.letter(b)), MISSING);
        }
        merges = merges(gguf, ids);
        added = added(gguf);
    }

    private static Merges merges(GgufVocabulary gguf, Map<String, Integer> ids) {
        Merges merges = new Merges(gguf.getMergesCount());
        for (int rank = 0; rank < gguf.getMergesCount(); rank++) {
            String merge = gguf.getMerges(rank);
            int space = merge.indexOf(' ', 1);
            if (space < 0) {
                throw new TokenizerException("merge " + rank + " of the vocabulary is not two tokens: " + merge);
            }
            String left = merge.substring(0, space);
            String right = merge.substring(space + 1);
            Integer leftId = ids.get(left);
            Integer rightId = ids.get(right);
            Integer both = ids.get(left.concat(right));
            if (leftId == null || rightId == null || both == null) {
                throw new TokenizerException("merge " + rank + " names a token that the vocabulary lacks: " + merge);
            }
            merges.put(leftId, rightId, rank, both);
        }
        return merges;
    }

    private static AddedTokens added(GgufVocabulary gguf) {
        Map<String, Integer> tokens = new HashMap<>();
        for (int id = 0; id < gguf.getTypesCount(); id++) {
            if (gguf.getTypes(id) == CONTROL || gguf.getTypes(id) == USER_DEFINED) {
                tokens.put(gguf.getTokens(id), id);
            }
        }
        return new AddedTokens(tokens);
    }

    @Override
    int[] encode(String text) {
        WordEncoder encoder = new WordEncoder(merges);
        added.split(text, new AddedTokens.Sink() {
            @Override
            public void text(int from, int to) {
                plain(text, from, to, encoder);
            }

            @Override
            public void added(int id) {
                encoder.id(id);
            }
        });
        return encoder.ids();
    }

    private void plain(String text, int from, int to, WordEncoder encoder) {
        if (splitting.composed() && !Normalizer.isNormalized(text.substring(from, to), Normalizer.Form.NFC)) {
            String composed = Normalizer.normalize(text.substring(from, to), Normalizer.Form.NFC);
            splitting.split(composed, 0, composed.length(), (start, end) -> word(composed, start, end, encoder));
        } else {
            splitting.split(text, from, to, (start, end) -> word(text, start, end, encoder));
        }
    }

    private void word(String text, int from, int to, WordEncoder encoder) {
        if (splitting.wholeWords()) {
            Integer id = ids.get(ByteAlphabet.spelled(text.substring(from, to)));
            if (id != null) {
                encoder.id(id);
                return;
            }
        }
        for (int i = from; i < to; i++) {
            char c = text.charAt(i);
            if (c < 0x80) {
                symbol(c, encoder);
            } else if (Character.isHighSurrogate(c)) {
                wide(Character.toCodePoint(c, text.charAt(++i)), encoder);
            } else {
                wide(c, encoder);
            }
        }
        encoder.endWord();
    }

    private void wide(int c, WordEncoder encoder) {
        if (c < 0x800) {
            symbol(0xC0 | c >> 6, encoder);
        } else {
            if (c < 0x10000) {
                symbol(0xE0 | c >> 12, encoder);
            } else {
                symbol(0xF0 | c >> 18, encoder);
                symbol(0x80 | c >> 12 & 0x3F, encoder);
            }
            symbol(0x80 | c >> 6 & 0x3F, encoder);
        }
        symbol(0x80 | c & 0x3F, encoder);
    }

    private void symbol(int b, WordEncoder encoder) {
        int id = byteIds[b];
        if (id != MISSING) {
            encoder.symbol(id);
        }
    }

    @Override
    public void close() {
        // Nothing native.
    }
}
