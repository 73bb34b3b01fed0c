package dev.skein.cli;

import static org.assertj.core.api.Assertions.assertThat;

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

    private static List<String> names(String... arguments) {
        return ServeCommand.names(ServeCommand.settings(List.of(arguments)));
    }
}
