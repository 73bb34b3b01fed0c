package dev.skein.gateway.text;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.ByteString;
import dev.skein.protocol.v1.GgufVocabulary;
import dev.skein.protocol.v1.TokenizerModel;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;

class TokenizerTest {
    private static final Path CACHE = Path.of("target", "tokenizer-cache").toAbsolutePath();
    private static Tokenizer tokenizer;

    @BeforeAll
    static void build() {
        tokenizer = Tokenizer.of(DefaultModel.tokenizer(), CACHE);
    }

    @AfterAll
    static void free() {
        tokenizer.close();
    }

    private static JsonNode goldens() throws Exception {
        try (InputStream in = TokenizerTest.class.getResourceAsStream("/goldens/tokenization.json")) {
            return new ObjectMapper().readTree(in).get("strings");
        }
    }

    private static int[] ids(JsonNode golden) {
        return golden.get("ids").valueStream().mapToInt(JsonNode::asInt).toArray();
    }

    @Test
    void idsAreThoseOfTransformers() throws Exception {
        JsonNode goldens = goldens();
        assertThat(goldens.size()).isGreaterThanOrEqualTo(200);
        for (JsonNode golden : goldens) {
            String text = golden.get("text").asString();
            assertThat(tokenizer.encode(text, false)).as("ids of \"%s\"", text).isEqualTo(ids(golden));
        }
    }

    @Test
    void idsDecodeToTheTextTheyCameFrom() throws Exception {
        for (JsonNode golden : goldens()) {
            if (!golden.path("lossy").asBoolean(false)) {
                String text = golden.get("text").asString();
                assertThat(tokenizer.vocabulary().decode(ids(golden), false)).isEqualTo(text);
            }
        }
    }

    @Test
    void streamedIdsGiveTheTextTheyCameFrom() throws Exception {
        TextStream.Rules rules =
                new TextStream.Rules(new StopStrings(List.of("\u0000never")), false, 0, Set.of(), false);
        for (JsonNode golden : goldens()) {
            if (!golden.path("lossy").asBoolean(false)) {
                TextStream stream = new TextStream(tokenizer.vocabulary(), rules);
                StringBuilder out = new StringBuilder();
                for (int id : ids(golden)) {
                    stream.accept(id, out);
                    assertThat(golden.get("text").asString()).startsWith(out.toString());
                }
                stream.finish(out);
                assertThat(out.toString()).isEqualTo(golden.get("text").asString());
            }
        }
    }

    @Test
    void halfASurrogatePairBecomesAReplacementCharacter() {
        assertThat(tokenizer.encode("a\uD83Db", false)).isEqualTo(tokenizer.encode("a\uFFFDb", false));
    }

    @Test
    void manyThreadsMayEncodeAtATime() throws Exception {
        int[] expected = tokenizer.encode("The quick brown fox.", false);
        try (ExecutorService threads = Executors.newFixedThreadPool(4)) {
            List<Future<Boolean>> all = new ArrayList<>();
            for (int i = 0; i < 400; i++) {
                Callable<Boolean> once = () -> Arrays.equals(expected, tokenizer.encode("The quick brown fox.", false));
                all.add(threads.submit(once));
            }
            for (Future<Boolean> each : all) {
                assertThat(each.get()).isTrue();
            }
        }
    }

    @Test
    void theSameVocabularyAsATokenizerJsonGivesTheSame() throws Exception {
        byte[] json = TokenizerJson.of(DefaultModel.tokenizer().getGguf());
        TokenizerModel asJson = TokenizerModel.newBuilder()
                .setTokenizerJson(ByteString.copyFrom(json))
                .build();
        try (Tokenizer other = Tokenizer.of(asJson, CACHE)) {
            assertThat(other.vocabulary().size())
                    .isEqualTo(tokenizer.vocabulary().size());
            for (JsonNode golden : goldens()) {
                String text = golden.get("text").asString();
                assertThat(other.encode(text, true)).isEqualTo(ids(golden));
                assertThat(other.vocabulary().decode(ids(golden), true))
                        .isEqualTo(tokenizer.vocabulary().decode(ids(golden), true));
            }
        }
    }

    @Test
    void beginningsAndEndsAreAddedOnDemand() {
        TokenizerModel model = DefaultModel.tokenizer().toBuilder()
                .setAddBos(true)
                .setBosTokenId(1)
                .setAddEos(true)
                .setEosTokenId(2)
                .build();
        try (Tokenizer both = Tokenizer.of(model, CACHE)) {
            assertThat(both.encode("Hello", true)).containsExactly(1, 19556, 2);
            assertThat(both.encode("Hello", false)).containsExactly(19556);
            assertThat(both.encode("", true)).containsExactly(1, 2);
        }
    }

    @Test
    void partsOfCharactersAreNamedByTheirBytes() {
        int[] rune = tokenizer.encode("\u16A0", false);
        assertThat(rune).hasSizeGreaterThan(1);
        assertThat(tokenizer.vocabulary().text(rune[0])).isEqualTo("bytes:\\xe1");
        assertThat(tokenizer.vocabulary().text(19556)).isEqualTo("Hello");
    }

    @Test
    void sentencePieceSplitsByScoreAndFallsBackToBytes() {
        try (Tokenizer pieces = Tokenizer.of(sentencePiece(), CACHE)) {
            Vocabulary vocabulary = pieces.vocabulary();
            int[] ids = pieces.encode("ab abc", false);
            assertThat(Arrays.stream(ids).mapToObj(vocabulary::piece)).containsExactly("\u2581ab", "\u2581abc");
            assertThat(vocabulary.decode(ids, true)).isEqualTo("ab abc");
            int[] bytes = pieces.encode("é", false);
            assertThat(Arrays.stream(bytes).mapToObj(vocabulary::piece)).containsExactly("\u2581", "<0xC3>", "<0xA9>");
            assertThat(vocabulary.decode(bytes, true)).isEqualTo("é");
            assertThat(pieces.encode("<s>", false)).containsExactly(1);
        }
    }

    private static TokenizerModel sentencePiece() {
        GgufVocabulary.Builder vocabulary =
                GgufVocabulary.newBuilder().setModel("llama").setAddSpacePrefix(true);
        add(vocabulary, "<unk>", 2, 0);
        add(vocabulary, "<s>", 3, 0);
        for (int b = 0; b < 256; b++) {
            add(vocabulary, "<0x%02X>".formatted(b), 6, 0);
        }
        String[] pieces = {"\u2581a", "ab", "\u2581ab", "bc", "\u2581abc", "\u2581", "a", "b", "c"};
        for (int i = 0; i < pieces.length; i++) {
            add(vocabulary, pieces[i], 1, -i);
        }
        return TokenizerModel.newBuilder().setGguf(vocabulary).build();
    }

    private static void add(GgufVocabulary.Builder vocabulary, String piece, int type, float score) {
        vocabulary.addTokens(piece).addTypes(type).addScores(score);
    }

    @Test
    void whatIsNotKnownIsRefusedByName() {
        GgufVocabulary.Builder gguf = DefaultModel.tokenizer().getGguf().toBuilder();
        assertThatThrownBy(() -> Tokenizer.of(model(gguf.clone().setPre("martian")), CACHE))
                .isInstanceOf(TokenizerException.class)
                .hasMessageContaining("martian");
        assertThatThrownBy(() -> Tokenizer.of(model(gguf.clone().setModel("bert")), CACHE))
                .isInstanceOf(TokenizerException.class)
                .hasMessageContaining("bert");
        assertThatThrownBy(() -> Tokenizer.of(TokenizerModel.getDefaultInstance(), CACHE))
                .isInstanceOf(TokenizerException.class)
                .hasMessageContaining("no vocabulary");
        GgufVocabulary.Builder endless =
                GgufVocabulary.newBuilder().setModel("llama").addTokens("<unk>").addTypes(2);
        endless.addScores(0).addTokens("x".repeat(1025)).addTypes(1).addScores(0);
        assertThatThrownBy(() -> Tokenizer.of(model(endless), CACHE))
                .isInstanceOf(TokenizerException.class)
                .hasMessageContaining("piece 1 of the vocabulary has 1025 characters");
        assertThatThrownBy(() -> Tokenizer.of(
                        TokenizerModel.newBuilder()
                                .setTokenizerJson(ByteString.copyFrom("{\"model\":{}}", UTF_8))
                                .build(),
                        CACHE))
                .isInstanceOf(TokenizerException.class);
    }

    private static TokenizerModel model(GgufVocabulary.Builder gguf) {
        return TokenizerModel.newBuilder().setGguf(gguf).build();
    }
}
