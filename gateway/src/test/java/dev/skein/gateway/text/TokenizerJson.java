package dev.skein.gateway.text;

import dev.skein.gateway.json.JsonWriter;
import dev.skein.protocol.v1.GgufVocabulary;

/**
 * The tokenizer.json of a byte-level vocabulary that came in a GGUF file: what the native library, our oracle, reads.
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
}
