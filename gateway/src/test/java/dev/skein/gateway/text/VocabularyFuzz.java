package dev.skein.gateway.text;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.google.protobuf.InvalidProtocolBufferException;
import dev.skein.protocol.v1.GgufVocabulary;
import dev.skein.protocol.v1.TokenizerModel;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * For Jazzer: builds the tokenizer of a GGUF file's vocabulary, then encodes and decodes a text with it. The input is a
 * length in two bytes, so much of a protobuf GgufVocabulary, and the text. Only {@link TokenizerException} may come out.
 */
public final class VocabularyFuzz {
    private static final Path CACHE = Path.of("target", "tokenizer-cache").toAbsolutePath();

    private VocabularyFuzz() {}

    public static void fuzzerTestOneInput(byte[] input) {
        if (input.length < 2) {
            return;
        }
        int length = Math.min(input.length - 2, (input[0] & 0xFF) << 8 | input[1] & 0xFF);
        GgufVocabulary vocabulary;
        try {
            vocabulary = GgufVocabulary.parseFrom(Arrays.copyOfRange(input, 2, 2 + length));
        } catch (InvalidProtocolBufferException _) {
            return;
        }
        TokenizerModel model = TokenizerModel.newBuilder().setGguf(vocabulary).build();
        String text = new String(input, 2 + length, input.length - 2 - length, UTF_8);
        try (Tokenizer tokenizer = Tokenizer.of(model, CACHE)) {
            tokenizer.vocabulary().decode(tokenizer.encode(text, true), false);
        } catch (TokenizerException _) {
            // As it should be.
        }
    }
}
