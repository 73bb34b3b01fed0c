package dev.skein.gateway.text;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import dev.skein.protocol.v1.GgufVocabulary;
import dev.skein.protocol.v1.TokenizerModel;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Our merging against the native library's, under each splitting rule, on generated texts. */
class ByteLevelTokenizerTest {
    private static final long SEED = Long.getLong("skein.seed", new Random().nextLong());
    private static final List<String> PARTS = List.of(
            "Hello",
            " world",
            "'s",
            "'LL",
            " don't",
            "12",
            "3456",
            "½",
            "Ⅷ",
            "\n",
            "\r\n",
            "\t",
            " ",
            "   ",
            "\u00A0",
            "\u3000",
            "é",
            "e\u0301",
            "Å",
            "Привет",
            "你好",
            "カタ",
            "😀",
            "👩‍👩‍👧",
            "!!",
            "...",
            " {",
            "}\n\n",
            "x²",
            "_a",
            "<|im_end|>",
            "<|im_",
            "|>",
            "ﬁ",
            "़",
            "\u200D",
            "\uD83D",
            "न",
            "-",
            "  \n",
            "aaaa",
            "İ",
            "ſ",
            "K");

    static {
        System.out.println("ByteLevelTokenizerTest -Dskein.seed=" + SEED);
    }

    private final Random random = new Random(SEED);

    private String text(int most) {
        StringBuilder text = new StringBuilder();
        for (int i = random.nextInt(most); i >= 0; i--) {
            if (random.nextInt(6) == 0) {
                text.appendCodePoint(point());
            } else {
                text.append(PARTS.get(random.nextInt(PARTS.size())));
            }
        }
        return text.toString();
    }

    /** A character that has been assigned for long: the two sides know different versions of Unicode. */
    private int point() {
        int point = random.nextInt(0x3000);
        return Character.isDefined(point) && point < 0x0700 ? point : 0x4E00 + point;
    }

    @ParameterizedTest
    @ValueSource(strings = {"smollm", "gpt-2", "llama-bpe", "qwen2"})
    void idsAreTheLibrarys(String pre) {
        GgufVocabulary vocabulary =
                DefaultModel.tokenizer().getGguf().toBuilder().setPre(pre).build();
        TokenizerModel json = TokenizerModel.newBuilder()
                .setTokenizerJson(ByteString.copyFrom(TokenizerJson.of(vocabulary)))
                .build();
        Path cache = Path.of("target", "tokenizer-cache").toAbsolutePath();
        try (Tokenizer ours = Tokenizer.of(
                        TokenizerModel.newBuilder().setGguf(vocabulary).build(), cache);
                Tokenizer library = Tokenizer.of(json, cache)) {
            for (int i = 0; i < 3000; i++) {
                String text = text(i % 100 == 0 ? 300 : 12);
                assertThat(ours.encode(text, false)).as("%s: \"%s\"", pre, text).isEqualTo(library.encode(text, false));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {47, 48, 49, 50, 1000, 200_000})
    void aLongWordIsMergedAsAShortOne(int length) {
        StringBuilder word = new StringBuilder();
        for (int i = 0; i < length; i++) {
            word.append((char) ('a' + random.nextInt(26)));
        }
        TokenizerModel json = TokenizerModel.newBuilder()
                .setTokenizerJson(ByteString.copyFrom(
                        TokenizerJson.of(DefaultModel.tokenizer().getGguf())))
                .build();
        Path cache = Path.of("target", "tokenizer-cache").toAbsolutePath();
        try (Tokenizer ours = Tokenizer.of(DefaultModel.tokenizer(), cache);
                Tokenizer library = Tokenizer.of(json, cache)) {
            assertThat(ours.encode(word.toString(), false)).isEqualTo(library.encode(word.toString(), false));
        }
    }
}
