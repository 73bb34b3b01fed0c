package dev.skein.gateway.text;

import dev.skein.gateway.json.JsonWriter;
import dev.skein.protocol.v1.GgufVocabulary;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The tokenizer.json (Hugging Face's format) of a SentencePiece vocabulary that came in a GGUF file: BPE over characters,
 * with spaces as U+2581, one before the text, and what no piece writes written in bytes.
 */
final class SentencePiece {
    private static final int CONTROL = 3;
    private static final int USER_DEFINED = 4;
    private static final int UNKNOWN = 2;
    // Parting a piece takes the square of its length. Those that are trained have 16 characters, runs of spaces more.
    private static final int LONGEST_PIECE = 1024;

    private SentencePiece() {}

    /** @throws TokenizerException if the vocabulary has no unknown token or an endless one */
    static byte[] tokenizerJson(GgufVocabulary vocabulary) {
        JsonWriter json = new JsonWriter();
        json.beginObject().field("version", "1.0").nulField("truncation").nulField("padding");
        addedTokens(json, vocabulary);
        normalizer(json, vocabulary.getAddSpacePrefix());
        json.nulField("pre_tokenizer").nulField("post_processor").nulField("decoder");
        json.name("model").beginObject().field("type", "BPE").field("unk_token", unknown(vocabulary));
        json.nulField("dropout").nulField("continuing_subword_prefix").nulField("end_of_word_suffix");
        json.field("fuse_unk", true).field("byte_fallback", true).field("ignore_merges", false);
        vocab(json, vocabulary);
        json.name("merges").beginArray();
        for (Merge merge : merges(vocabulary)) {
            json.beginArray().value(merge.left()).value(merge.right()).endArray();
        }
        return json.endArray().endObject().endObject().toBytes();
    }

    private static void normalizer(JsonWriter json, boolean spaceBefore) {
        json.name("normalizer")
                .beginObject()
                .field("type", "Sequence")
                .name("normalizers")
                .beginArray();
        if (spaceBefore) {
            json.beginObject()
                    .field("type", "Prepend")
                    .field("prepend", "\u2581")
                    .endObject();
        }
        json.beginObject().field("type", "Replace");
        json.name("pattern").beginObject().field("String", " ").endObject();
        json.field("content", "\u2581").endObject().endArray().endObject();
    }

    private static void addedTokens(JsonWriter json, GgufVocabulary vocabulary) {
        json.name("added_tokens").beginArray();
        for (int id = 0; id < vocabulary.getTypesCount(); id++) {
            int type = vocabulary.getTypes(id);
            if (type == CONTROL || type == USER_DEFINED) {
                json.beginObject()
                        .field("id", id)
                        .field("content", vocabulary.getTokens(id))
                        .field("single_word", false)
                        .field("lstrip", false)
                        .field("rstrip", false)
                        .field("normalized", false)
                        .field("special", type == CONTROL)
                        .endObject();
            }
        }
        json.endArray();
    }

    private static void vocab(JsonWriter json, GgufVocabulary vocabulary) {
        json.name("vocab").beginObject();
        for (int id = 0; id < vocabulary.getTokensCount(); id++) {
            json.field(vocabulary.getTokens(id), id);
        }
        json.endObject();
    }

    private static String unknown(GgufVocabulary vocabulary) {
        for (int id = 0; id < vocabulary.getTypesCount(); id++) {
            if (vocabulary.getTypes(id) == UNKNOWN) {
                return vocabulary.getTokens(id);
            }
        }
        throw new TokenizerException("the vocabulary of model llama has no unknown token (type 2)");
    }

    private record Merge(String left, String right, float score, int leftId, int rightId) {}

    /**
     * SentencePiece stores no merges: it joins the two neighbours whose union has the best score. So each way to part a
     * piece into two pieces is a merge, ranked by the piece's score.
     */
    private static List<Merge> merges(GgufVocabulary vocabulary) {
        Map<String, Integer> ids = new HashMap<>();
        for (int id = 0; id < vocabulary.getTokensCount(); id++) {
            ids.put(vocabulary.getTokens(id), id);
        }
        List<Merge> merges = new ArrayList<>();
        for (int id = 0; id < Math.min(vocabulary.getTokensCount(), vocabulary.getScoresCount()); id++) {
            String piece = vocabulary.getTokens(id);
            if (piece.length() > LONGEST_PIECE) {
                throw new TokenizerException("piece " + id + " of the vocabulary has " + piece.length()
                        + " characters; it may have " + LONGEST_PIECE);
            }
            for (int cut = 1; cut < piece.length(); cut++) {
                Integer left = ids.get(piece.substring(0, cut));
                Integer right = ids.get(piece.substring(cut));
                if (left != null && right != null) {
                    merges.add(new Merge(
                            piece.substring(0, cut), piece.substring(cut), vocabulary.getScores(id), left, right));
                }
            }
        }
        merges.sort(Comparator.comparingDouble((Merge merge) -> -merge.score())
                .thenComparingInt(Merge::leftId)
                .thenComparingInt(Merge::rightId));
        return merges;
    }
}
