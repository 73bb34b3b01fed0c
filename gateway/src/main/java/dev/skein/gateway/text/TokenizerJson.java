package dev.skein.gateway.text;

import dev.skein.gateway.json.JsonWriter;
import dev.skein.protocol.v1.GgufVocabulary;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The tokenizer.json (Hugging Face's format) of a vocabulary that came in a GGUF file.
 *
 * <p>A GGUF file holds tokens, merges and the <em>name</em> of the rule that splits text before merging. What a name
 * stands for is known from the models' own tokenizer files; a name not known is refused, since a wrong rule would give
 * wrong ids without a sign.
 */
final class TokenizerJson {
    private static final int CONTROL = 3;
    private static final int USER_DEFINED = 4;
    private static final int UNKNOWN = 2;

    // Facts of the tokenizer files of Llama 3 and of Qwen 2: how letters, numbers, signs and spaces part. They differ
    // in
    // how many digits stand together.
    private static final String WORDS =
            "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|%s| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
                    + "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

    private TokenizerJson() {}

    /** @throws TokenizerException for a model or splitting rule that is not known */
    static byte[] of(GgufVocabulary vocabulary) {
        JsonWriter json = new JsonWriter();
        json.beginObject().field("version", "1.0").nulField("truncation").nulField("padding");
        addedTokens(json, vocabulary);
        switch (vocabulary.getModel()) {
            case "gpt2" -> byteLevel(json, vocabulary);
            case "llama" -> sentencePiece(json, vocabulary);
            default ->
                throw new TokenizerException(
                        "the tokenizer model " + vocabulary.getModel()
                                + " is not known (gpt2 and llama are); give a model with one of these, or with a tokenizer.json");
        }
        return json.endObject().toBytes();
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

    private static void byteLevel(JsonWriter json, GgufVocabulary vocabulary) {
        String pre = vocabulary.getPre();
        switch (pre) {
            case "", "default", "gpt-2", "gpt2" -> {
                json.nulField("normalizer");
                splitting(json, "", true);
            }
            case "smollm", "starcoder", "refact" -> {
                json.nulField("normalizer");
                splitting(json, "digits", true);
            }
            case "llama-bpe", "llama-v3", "llama3" -> {
                json.nulField("normalizer");
                splitting(json, WORDS.formatted("\\p{N}{1,3}"), false);
            }
            case "qwen2", "deepseek-r1-qwen" -> {
                json.name("normalizer").beginObject().field("type", "NFC").endObject();
                splitting(json, WORDS.formatted("\\p{N}"), false);
            }
            default ->
                throw new TokenizerException("the splitting rule " + pre + " (tokenizer.ggml.pre) is not known;"
                        + " known are gpt-2, smollm, starcoder, refact, llama-bpe, qwen2");
        }
        json.nulField("post_processor");
        json.name("decoder");
        byteLevelStep(json, true);
        json.name("model").beginObject().field("type", "BPE").nulField("unk_token");
        // Llama 3 takes a word that is in the vocabulary as it is, even where no merges lead to it.
        options(json, false, pre.startsWith("llama"));
        vocab(json, vocabulary);
        json.name("merges").beginArray();
        for (int i = 0; i < vocabulary.getMergesCount(); i++) {
            json.value(vocabulary.getMerges(i));
        }
        json.endArray().endObject();
    }

    private static void splitting(JsonWriter json, String rule, boolean gpt2) {
        json.name("pre_tokenizer")
                .beginObject()
                .field("type", "Sequence")
                .name("pretokenizers")
                .beginArray();
        if (rule.equals("digits")) {
            json.beginObject()
                    .field("type", "Digits")
                    .field("individual_digits", true)
                    .endObject();
        } else if (!rule.isEmpty()) {
            json.beginObject().field("type", "Split");
            json.name("pattern").beginObject().field("Regex", rule).endObject();
            json.field("behavior", "Isolated").field("invert", false).endObject();
        }
        byteLevelStep(json, gpt2);
        json.endArray().endObject();
    }

    private static void byteLevelStep(JsonWriter json, boolean regex) {
        json.beginObject()
                .field("type", "ByteLevel")
                .field("add_prefix_space", false)
                .field("trim_offsets", true)
                .field("use_regex", regex)
                .endObject();
    }

    private static void options(JsonWriter json, boolean byteFallback, boolean ignoreMerges) {
        json.nulField("dropout")
                .nulField("continuing_subword_prefix")
                .nulField("end_of_word_suffix")
                .field("fuse_unk", byteFallback)
                .field("byte_fallback", byteFallback)
                .field("ignore_merges", ignoreMerges);
    }

    private static void vocab(JsonWriter json, GgufVocabulary vocabulary) {
        json.name("vocab").beginObject();
        for (int id = 0; id < vocabulary.getTokensCount(); id++) {
            json.field(vocabulary.getTokens(id), id);
        }
        json.endObject();
    }

    // SentencePiece's BPE: spaces are U+2581, one stands before the text, and what no piece writes is written in bytes.
    private static void sentencePiece(JsonWriter json, GgufVocabulary vocabulary) {
        json.name("normalizer")
                .beginObject()
                .field("type", "Sequence")
                .name("normalizers")
                .beginArray();
        if (vocabulary.getAddSpacePrefix()) {
            json.beginObject()
                    .field("type", "Prepend")
                    .field("prepend", "\u2581")
                    .endObject();
        }
        json.beginObject().field("type", "Replace");
        json.name("pattern").beginObject().field("String", " ").endObject();
        json.field("content", "\u2581").endObject().endArray().endObject();
        json.nulField("pre_tokenizer").nulField("post_processor").nulField("decoder");
        json.name("model").beginObject().field("type", "BPE").field("unk_token", unknown(vocabulary));
        options(json, true, false);
        vocab(json, vocabulary);
        json.name("merges").beginArray();
        for (Merge merge : merges(vocabulary)) {
            json.beginArray().value(merge.left()).value(merge.right()).endArray();
        }
        json.endArray().endObject();
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
