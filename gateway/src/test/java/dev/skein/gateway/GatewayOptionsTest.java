package dev.skein.gateway;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

class GatewayOptionsTest {
    private static final GatewayOptions.SchedulerAddress SCHEDULER =
            new GatewayOptions.SchedulerAddress("127.0.0.1", 7000, "secret");

    @Test
    void defaults() {
        GatewayOptions options = GatewayOptions.defaults(SCHEDULER);
        assertThat(options.host()).isEqualTo("127.0.0.1");
        assertThat(options.port()).isEqualTo(8000);
        assertThat(options.api())
                .isEqualTo(new GatewayOptions.Api(
                        List.of(), null, false, true, "", "assistant", 20, false, false, false, ""));
        assertThat(options.access()).isEqualTo(new GatewayOptions.Access(List.of(), List.of(), false));
        assertThat(options.limits())
                .isEqualTo(new GatewayOptions.Limits(
                        32 << 20,
                        Math.max(32 << 20, Runtime.getRuntime().maxMemory() / 8),
                        64 << 10,
                        200,
                        4096,
                        16_384,
                        Duration.ofSeconds(10),
                        Duration.ofSeconds(120),
                        Duration.ofSeconds(75),
                        Duration.ofSeconds(30),
                        Duration.ofSeconds(30),
                        Duration.ZERO));
    }

    @Test
    void whatCannotBeIsRefusedWithItsValue() {
        GatewayOptions options = GatewayOptions.defaults(SCHEDULER);
        assertThatThrownBy(() -> options.withAddress("", 1)).isInstanceOf(GatewayException.class);
        assertThatThrownBy(() -> options.withAddress("x", 65_536)).hasMessageContaining("65536");
        assertThatThrownBy(() -> new GatewayOptions.SchedulerAddress("x", 0, null))
                .hasMessageContaining("0");
        assertThatThrownBy(() -> new GatewayOptions.Access(List.of(" "), List.of(), false))
                .hasMessageContaining("API key");
        assertThatThrownBy(() -> GatewayOptions.Api.defaults().withServedModelNames(List.of("")))
                .hasMessageContaining("served model name");
        assertThatThrownBy(() ->
                        new GatewayOptions.Api(List.of(), null, false, true, "", "a", -1, false, false, false, ""))
                .hasMessageContaining("-1");
    }

    @Test
    void rootsAndOverridesAreChecked() {
        for (String root : List.of("llm", "/llm/", "/")) {
            assertThatThrownBy(() ->
                            new GatewayOptions.Api(List.of(), null, false, true, "", "a", 1, false, false, false, root))
                    .hasMessageContaining("root-path is " + root);
        }
        assertThatThrownBy(() -> new GatewayOptions.Api(
                        List.of(), null, false, true, "{\"x\":1}", "a", 1, false, false, false, ""))
                .isInstanceOf(GatewayException.class)
                .hasMessageContaining("override-generation-config holds x");
    }

    @Test
    void secretsAreNotPrinted() {
        GatewayOptions options = GatewayOptions.defaults(SCHEDULER)
                .withAccess(new GatewayOptions.Access(List.of("sk-1"), List.of(), true));
        assertThat(options.toString()).doesNotContain("secret", "sk-1");
    }
}
