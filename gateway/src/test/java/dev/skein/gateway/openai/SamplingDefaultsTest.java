package dev.skein.gateway.openai;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SamplingDefaultsTest {
    @Test
    void overridesWinOverTheModelsOwn() {
        SamplingDefaults own = SamplingDefaults.of("{\"temperature\":0.6,\"top_p\":0.9,\"do_sample\":true}");
        assertThat(own).isEqualTo(new SamplingDefaults(0.6, 0.9, 0, 0, 1, null));
        assertThat(own.with("{\"temperature\":0.2,\"top_k\":40,\"max_new_tokens\":64}"))
                .isEqualTo(new SamplingDefaults(0.2, 0.9, 40, 0, 1, 64));
        assertThat(own.with("")).isEqualTo(own);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "[]                     | it must be a JSON object",
                "{'temperature':1}      | is no JSON",
                "{\"temprature\":1}     | holds temprature; it may hold max_new_tokens, min_p",
                "{\"temperature\":3}    | holds temperature 3",
                "{\"temperature\":\"1\"} | holds temperature the string",
                "{\"top_p\":0}          | holds top_p 0",
                "{\"max_new_tokens\":null} | holds max_new_tokens null",
            })
    void whatIsNoDefaultIsRefused(String json, String words) {
        assertThatThrownBy(() -> SamplingDefaults.NEUTRAL.with(json))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(words);
    }
}
