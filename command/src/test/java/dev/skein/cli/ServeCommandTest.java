package dev.skein.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.skein.gateway.GatewayOptions;
import java.util.List;
import org.junit.jupiter.api.Test;

class ServeCommandTest {
    @Test
    void aModelIsCalledWhatTheCommandCalledIt() {
        assertThat(names("./some/model.gguf")).containsExactly("./some/model.gguf");
    }

    @Test
    void theDefaultModelHasAName() {
        assertThat(names()).containsExactly("SmolLM2-135M-Instruct");
    }

    @Test
    void givenNamesComeFirst() {
        assertThat(names("model.gguf", "--served-model-name", "goose", "gander"))
                .containsExactly("goose", "gander");
    }

    @Test
    void flagsOfTheApiReachTheGateway() {
        GatewayOptions.Api api = ServeCommand.api(ServeCommand.settings(List.of(
                "--trust-request-chat-template",
                "--return-tokens-as-token-ids",
                "--enable-prompt-tokens-details",
                "--enable-force-include-usage",
                "--override-generation-config",
                "{\"temperature\":0.5}",
                "--root-path",
                "/llm")));
        assertThat(api)
                .isEqualTo(new GatewayOptions.Api(
                        List.of("SmolLM2-135M-Instruct"),
                        null,
                        true,
                        true,
                        "{\"temperature\":0.5}",
                        "assistant",
                        20,
                        true,
                        true,
                        true,
                        "/llm"));
        assertThat(ServeCommand.api(ServeCommand.settings(List.of())).trustRequestChatTemplate())
                .isFalse();
    }

    private static List<String> names(String... arguments) {
        return ServeCommand.names(ServeCommand.settings(List.of(arguments)));
    }
}
