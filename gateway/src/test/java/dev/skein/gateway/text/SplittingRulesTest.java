package dev.skein.gateway.text;

import static org.assertj.core.api.Assertions.assertThat;

import dev.skein.protocol.v1.GgufVocabulary;
import dev.skein.protocol.v1.TokenizerModel;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** How each rule parts a text, seen through a vocabulary in which every run of digits, letters and spaces may merge. */
class SplittingRulesTest {
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '"',
            value = {
                "gpt-2     | \"1234\"    | 1234",
                "smollm    | \"1234\"    | 1,2,3,4",
                "llama-bpe | \"1234\"    | 123,4",
                "qwen2     | \"1234\"    | 1,2,3,4",
                "gpt-2     | \"12 34\"   | 12,Ġ34",
                "smollm    | \"12 34\"   | 1,2,Ġ,3,4",
                "llama-bpe | \"12 34\"   | 12,Ġ,34",
                "gpt-2     | \"1  2\"    | 1,Ġ,Ġ2",
                "llama-bpe | \"1  2\"    | 1,Ġ,Ġ,2",
            })
    void partsDigits(String pre, String text, String parts) {
        TokenizerModel model =
                TokenizerModel.newBuilder().setGguf(vocabulary(pre)).build();
        try (Tokenizer tokenizer =
                Tokenizer.of(model, Path.of("target", "tokenizer-cache").toAbsolutePath())) {
            List<String> pieces = Arrays.stream(tokenizer.encode(text, false))
                    .mapToObj(tokenizer.vocabulary()::piece)
                    .toList();
            assertThat(pieces).containsExactly(parts.split(","));
        }
    }

    private static GgufVocabulary vocabulary(String pre) {
        GgufVocabulary.Builder vocabulary =
                GgufVocabulary.newBuilder().setModel("gpt2").setPre(pre);
        List<String> pieces = List.of("1", "2", "3", "4", "Ġ", "12", "34", "123", "1234", "Ġ3", "Ġ34", "Ġ2", "ĠĠ");
        pieces.forEach(piece -> vocabulary.addTokens(piece).addTypes(1));
        vocabulary.addAllMerges(List.of("1 2", "12 3", "3 4", "12 34", "123 4", "Ġ 3", "Ġ 34", "Ġ3 4", "Ġ 2", "Ġ Ġ"));
        return vocabulary.build();
    }
}
