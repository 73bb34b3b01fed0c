package dev.skein.gateway;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import dev.skein.protocol.v1.GgufVocabulary;
import dev.skein.protocol.v1.ModelCard;
import dev.skein.protocol.v1.TokenizerModel;

/** A model whose ids are bytes: id n is byte n, and three special ids follow. So every test can tell ids by hand. */
final class TinyModel {
    static final int START = 256;
    static final int END = 257;
    static final int END_OF_TEXT = 258;
    static final int CONTEXT = 512;
    static final String TEMPLATE =
            "{% for message in messages %}{% if message['role'] == 'forbidden' %}{{ raise_exception('no such role') }}"
                    + "{% endif %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
                    + "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

    private TinyModel() {}

    static ModelCard card() {
        return ModelCard.newBuilder()
                .setName("tiny")
                .setRoot("/models/tiny.gguf")
                .setArchitecture("llama")
                .setVocabularySize(259)
                .setMaxModelLen(CONTEXT)
                .addEosTokenIds(END)
                .setQuantization("F32")
                .setBackend("fake")
                .setBlockSize(16)
                .setBlocks(64)
                .setMaxLogprobs(20)
                .setVersion("1")
                .build();
    }

    static TokenizerModel tokenizer() {
        GgufVocabulary.Builder vocabulary =
                GgufVocabulary.newBuilder().setModel("gpt2").setPre("gpt-2");
        int next = 0x100;
        for (int b = 0; b < 256; b++) {
            boolean prints = b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE;
            vocabulary.addTokens(Character.toString(prints ? b : next++)).addTypes(1);
        }
        for (String special : new String[] {"<|im_start|>", "<|im_end|>", "<|endoftext|>"}) {
            vocabulary.addTokens(special).addTypes(3);
        }
        return TokenizerModel.newBuilder()
                .setGguf(vocabulary)
                .setChatTemplate(TEMPLATE)
                .setBosTokenId(START)
                .setEosTokenId(END)
                .build();
    }

    /** The ids of {@code text}, with its special tokens. */
    static int[] ids(String text) {
        String marked = new String(text.getBytes(UTF_8), ISO_8859_1)
                .replace("<|im_start|>", "\u0100")
                .replace("<|im_end|>", "\u0101")
                .replace("<|endoftext|>", "\u0102");
        return marked.chars().toArray();
    }
}
