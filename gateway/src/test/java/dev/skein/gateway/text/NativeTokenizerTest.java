package dev.skein.gateway.text;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.util.Utils;
import com.google.protobuf.ByteString;
import dev.skein.protocol.v1.TokenizerModel;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class NativeTokenizerTest {
    private static final String JSON =
            "{\"version\":\"1.0\",\"added_tokens\":[],\"pre_tokenizer\":null,\"decoder\":null,"
                    + "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[[\"a\",\"b\"]]}}";

    /** The library's own view, as it bypasses what Java offers to listen with. */
    @Test
    void theLibraryIsToldToCallNobody() {
        try (Tokenizer tokenizer = Tokenizer.of(
                TokenizerModel.newBuilder()
                        .setTokenizerJson(ByteString.copyFrom(JSON, UTF_8))
                        .build(),
                Path.of("target", "tokenizer-cache").toAbsolutePath())) {
            assertThat(tokenizer.encode("ab", true)).containsExactly(2);
        }
        assertThat(Utils.isOfflineMode()).isTrue();
        assertThat(Utils.getEnvOrSystemProperty("OPT_OUT_TRACKING")).isEqualTo("true");
    }
}
