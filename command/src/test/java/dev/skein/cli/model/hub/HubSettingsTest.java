package dev.skein.cli.model.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.cli.CommandException;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.ProxySelector;
import java.net.URI;
import java.net.http.HttpHeaders;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class HubSettingsTest {
    @Test
    void readsWhatHuggingFacesToolsRead() {
        HubSettings settings = HubSettings.of(
                Map.of("HF_ENDPOINT", "https://hub.example.com/mirror/", "HF_TOKEN", " t1\n", "HF_HUB_OFFLINE", "0"));
        assertThat(settings)
                .isEqualTo(new HubSettings(URI.create("https://hub.example.com/mirror"), "t1", false))
                .asString()
                .doesNotContain("t1");
        assertThat(HubSettings.of(Map.of("HUGGING_FACE_HUB_TOKEN", "t2")).token())
                .isEqualTo("t2");
        assertThat(HubSettings.of(Map.of())).isEqualTo(new HubSettings(null, null, false));
        assertThat(HubSettings.of(Map.of("HF_HUB_OFFLINE", "Yes")).offline()).isTrue();
    }

    @ParameterizedTest
    @ValueSource(strings = {"hub.example.com", "ftp://a", "https://", "https://u:pw@a", "https://a?b", "http://a b"})
    void refusesWhatIsNoAddress(String text) {
        assertThatThrownBy(() -> HubSettings.of(Map.of("HF_ENDPOINT", text)))
                .isInstanceOf(CommandException.class)
                .hasMessageContaining("HF_ENDPOINT")
                .hasMessageNotContaining("pw");
    }

    @Test
    void refusesATokenThatCouldBreakAHeaderWithoutSayingIt() {
        assertThatThrownBy(() -> HubSettings.of(Map.of("HF_TOKEN", "secret\r\nX: y")))
                .hasMessageContaining("HF_TOKEN")
                .hasMessageNotContaining("secret");
    }

    @Test
    void proxiesComeFromTheUsualVariables() {
        ProxyVariables proxies = new ProxyVariables(Map.of(
                "HTTPS_PROXY", "http://proxy.example.com:3128",
                "http_proxy", "other.example.com",
                "NO_PROXY", "inner.example.com, .local"));
        assertThat(proxy(proxies, "https://a.example.com")).isEqualTo(through("proxy.example.com", 3128));
        assertThat(proxy(proxies, "http://a.example.com")).isEqualTo(through("other.example.com", 80));
        assertThat(List.of(
                        proxy(proxies, "https://inner.example.com"),
                        proxy(proxies, "https://x.inner.example.com"),
                        proxy(proxies, "https://a.LOCAL"),
                        proxy(proxies, "http://127.0.0.1:8080"),
                        proxy(proxies, "http://localhost")))
                .containsOnly(Proxy.NO_PROXY);
        URI plain = URI.create("https://a.example.com");
        assertThat(new ProxyVariables(Map.of()).select(plain))
                .isEqualTo(ProxySelector.getDefault().select(plain));
        assertThat(proxy(new ProxyVariables(Map.of("all_proxy", "p:1", "no_proxy", "*")), "https://a"))
                .isEqualTo(Proxy.NO_PROXY);
    }

    private static Proxy proxy(ProxyVariables proxies, String uri) {
        return proxies.select(URI.create(uri)).getFirst();
    }

    private static Proxy through(String host, int port) {
        return new Proxy(Proxy.Type.HTTP, InetSocketAddress.createUnresolved(host, port));
    }

    @Test
    void retryAfterIsSecondsOrADate() {
        assertThat(after("7")).isEqualTo(Duration.ofSeconds(7));
        assertThat(after("Thu, 01 Jan 1970 00:00:00 GMT")).isZero();
        assertThat(after("Fri, 01 Jan 2100 00:00:00 GMT")).isGreaterThan(Duration.ofDays(1));
        assertThat(Refusals.after(headers("soon"))).isEmpty();
        assertThat(Refusals.after(headers("-5"))).isEmpty();
    }

    private static Duration after(String text) {
        return Refusals.after(headers(text)).orElseThrow();
    }

    private static HttpHeaders headers(String text) {
        return HttpHeaders.of(Map.of("Retry-After", List.of(text)), (name, value) -> true);
    }

    @ParameterizedTest
    @CsvSource({"0, 0 B", "999, 999 B", "1000, 1.00 kB", "98765432, 98.8 MB", "123456789012, 123 GB"})
    void sizesHaveThreeFigures(long bytes, String text) {
        assertThat(Words.size(bytes)).isEqualTo(text);
    }

    @Test
    void aRecordIsReadAsItWasWritten() {
        Instant used = Instant.ofEpochSecond(5);
        KeptModel kept = new KeptModel(
                new HubName("org", "a", null),
                TestHub.COMMIT,
                Map.of("main", Instant.ofEpochSecond(1), "a branch", Instant.ofEpochSecond(2)),
                "Q4_K_M",
                true,
                "of it/a b.gguf",
                List.of(new HubFile(
                        "of it/a b.gguf", 12, Checksum.of("b".repeat(40)).orElseThrow())),
                used);
        assertThat(KeptModel.parse(kept.text(), used)).contains(kept);
        assertThat(kept.pulled()).isEqualTo(Instant.ofEpochSecond(2));
        String text = kept.text();
        for (int end = 0; end < text.length(); end++) {
            // Cut anywhere it is another record or none, and never a failure.
            KeptModel.parse(text.substring(0, end), used);
        }
        assertThat(KeptModel.parse("skein model 2\nname x", used)).isEmpty();
        assertThat(KeptModel.parse(text.replace("of it/a b.gguf", "../a"), used))
                .isEmpty();
        assertThat(KeptModel.parse(text.replace("commit 0123", "commit ../3"), used))
                .isEmpty();
    }

    @Test
    void progressTellsHowFarAndHowFast() {
        HubFile file = new HubFile("a", 1000, Checksum.of("b".repeat(40)).orElseThrow());
        long[] received = {200};
        Rate rate = new Rate("org/a", 2, file.size(), () -> received[0]);
        assertThat(rate.line(0, 0)).isEqualTo("org/a: 0 of 2 files, 200 B of 1.00 kB (20 %), 0 B/s");
        received[0] = 600;
        assertThat(rate.line(2_000_000_000L, 1))
                .isEqualTo("org/a: 1 of 2 files, 600 B of 1.00 kB (60 %), 200 B/s, 2 s left");
    }
}
