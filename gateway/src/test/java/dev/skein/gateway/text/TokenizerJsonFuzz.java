package dev.skein.gateway.text;

import com.google.protobuf.ByteString;
import dev.skein.protocol.v1.TokenizerModel;
import java.nio.file.Path;

/** For Jazzer: builds the tokenizer of a tokenizer.json and uses it. Only {@link TokenizerException} may come out. */
public final class TokenizerJsonFuzz {
    private static final Path CACHE = Path.of("target", "tokenizer-cache").toAbsolutePath();
    private static final String TEXT = "Hello, \u00fcber <|im_end|> \ud83e\udd86 abab\n\t 123";

    private TokenizerJsonFuzz() {}

    public static void fuzzerTestOneInput(byte[] json) {
        if (json.length == 0) {
            return;
        }
        TokenizerModel model = TokenizerModel.newBuilder()
                .setTokenizerJson(ByteString.copyFrom(json))
                .build();
        try (Tokenizer tokenizer = Tokenizer.of(model, CACHE)) {
            tokenizer.vocabulary().decode(tokenizer.encode(TEXT, true), false);
        } catch (TokenizerException _) {
            // As it should be.
        }
    }
}
