package dev.skein.gateway.text;

import dev.skein.gateway.json.JsonWriter;
import dev.skein.protocol.v1.GgufVocabulary;
import java.util.HashMap;
import java.util.Map;

/**
 * The tokenizer.json (Hugging Face's format) of a WordPiece vocabulary (Wu et al., arXiv 1609.08144) that came in a GGUF
 * file, as BERT has them: words are parted at spaces, punctuation and Chinese characters, and each is the longest pieces
 * from its left. A text lies between [CLS] and [SEP].
 *
 * <p>llama.cpp's converters mark what begins a word with U+2581, where BERT marks what goes on with "##". They do not
 * say whether a model tells capital letters apart: one whose vocabulary has some does.
 */
final class WordPieces {
    private static final String BEGINS = "\u2581";
    private static final String GOES_ON = "##";
    private static final String FIRST = "[CLS]";
    private static final String LAST = "[SEP]";
    private static final String UNKNOWN = "[UNK]";
    private static final int LONGEST_WORD = 100;
    private static final int CONTROL = 3;

    private WordPieces() {}

    /** @throws TokenizerException if the vocabulary lacks what every text needs */
    static byte[] tokenizerJson(GgufVocabulary vocabulary) {
        Map<String, Integer> ids = ids(vocabulary);
        JsonWriter json = new JsonWriter();
        json.beginObject().field("version", "1.0").nulField("truncation").nulField("padding");
        addedTokens(json, vocabulary, ids);
        json.name("normalizer").beginObject().field("type", "BertNormalizer").field("clean_text", true);
        json.field("handle_chinese_chars", true).nulField("strip_accents");
        json.field("lowercase", !cased(ids)).endObject();
        json.name("pre_tokenizer")
                .beginObject()
                .field("type", "BertPreTokenizer")
                .endObject();
        json.name("post_processor").beginObject().field("type", "BertProcessing");
        end(json.name("sep"), LAST, ids);
        end(json.name("cls"), FIRST, ids);
        json.endObject().nulField("decoder");
        json.name("model").beginObject().field("type", "WordPiece").field("unk_token", UNKNOWN);
        json.field("continuing_subword_prefix", GOES_ON).field("max_input_chars_per_word", LONGEST_WORD);
        json.name("vocab").beginObject();
        ids.forEach(json::field);
        return json.endObject().endObject().endObject().toBytes();
    }

    private static Map<String, Integer> ids(GgufVocabulary vocabulary) {
        Map<String, Integer> ids = HashMap.newHashMap(vocabulary.getTokensCount());
        for (int id = 0; id < vocabulary.getTokensCount(); id++) {
            ids.put(piece(vocabulary.getTokens(id)), id);
        }
        for (String needed : new String[] {FIRST, LAST, UNKNOWN}) {
            if (!ids.containsKey(needed)) {
                throw new TokenizerException("the vocabulary of model bert has no " + needed);
            }
        }
        return ids;
    }

    private static String piece(String token) {
        if (token.startsWith(BEGINS)) {
            return token.substring(BEGINS.length());
        }
        return token.startsWith("[") && token.endsWith("]") ? token : GOES_ON + token;
    }

    private static boolean cased(Map<String, Integer> ids) {
        return ids.keySet().stream()
                .anyMatch(piece -> !piece.startsWith("[") && piece.chars().anyMatch(Character::isUpperCase));
    }

    private static void addedTokens(JsonWriter json, GgufVocabulary vocabulary, Map<String, Integer> ids) {
        json.name("added_tokens").beginArray();
        ids.forEach((piece, id) -> {
            boolean control = id < vocabulary.getTypesCount() && vocabulary.getTypes(id) == CONTROL;
            if (control || piece.equals(FIRST) || piece.equals(LAST) || piece.equals(UNKNOWN)) {
                json.beginObject()
                        .field("id", id)
                        .field("content", piece)
                        .field("single_word", false)
                        .field("lstrip", false)
                        .field("rstrip", false)
                        .field("normalized", false)
                        .field("special", true)
                        .endObject();
            }
        });
        json.endArray();
    }

    private static void end(JsonWriter json, String piece, Map<String, Integer> ids) {
        json.beginArray().value(piece).value((long) ids.getOrDefault(piece, 0)).endArray();
    }
}
