package dev.skein.loadtest.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.skein.loadtest.measure.Goal;
import dev.skein.loadtest.measure.Observation;
import dev.skein.loadtest.measure.Outcome;
import dev.skein.loadtest.measure.Summary;
import dev.skein.loadtest.plan.Dialect;
import dev.skein.loadtest.plan.Load;
import dev.skein.loadtest.plan.Pattern;
import dev.skein.loadtest.plan.Prefix;
import dev.skein.loadtest.plan.Sizes;
import io.vertx.core.json.JsonObject;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Document;
import org.w3c.dom.NodeList;

class ReportTest {
    private static final long MS = 1_000_000;
    private static final Goal GOAL = Goal.parse(List.of("ttft:50"));
    private static final Environment HERE = new Environment(Instant.parse("2026-11-23T12:00:00Z"), 2, "Linux", "Java");
    private static final Load LOAD = new Load(
            new Pattern.Rate(2.5, 1, 4),
            10,
            new Sizes.Spread(Sizes.Range.parse("16-32"), Sizes.Range.parse("8")),
            new Prefix(100, 1),
            Dialect.CHAT,
            new JsonObject(),
            1);

    /// Ten answers of 8 tokens and one failure; pieces are a step apart.
    private static Summary run(long step) {
        List<Observation> observations = IntStream.range(0, 10)
                .mapToObj(i -> new Observation(
                        0,
                        0,
                        new Outcome.Answer(
                                IntStream.rangeClosed(1, 8)
                                        .mapToLong(piece -> piece * step * MS)
                                        .toArray(),
                                8,
                                100,
                                64)))
                .collect(Collectors.toList());
        observations.add(new Observation(0, 0, new Outcome.Failure("HTTP 503", "<b>full & \"busy\"</b>")));
        return Summary.of(observations, GOAL);
    }

    private static Side side(String url, long... steps) {
        Side side = new Side(url, "goose", "nest 1.0", List.of());
        for (long step : steps) {
            side = side.and(run(step));
        }
        return side;
    }

    private static final Report BOTH =
            new Report(HERE, LOAD, GOAL, List.of(side("http://a", 10, 20, 30), side("http://b", 40, 80, 60)), null);

    @Test
    void textHasFiguresFailuresAndRatios() {
        String text = BOTH.text();
        assertThat(text)
                .contains("2.5 requests a second at random times, at most 4 at once, 10 requests a run")
                .contains("shared beginnings of 100, chat; median (least-most) of 3 runs")
                .contains("http://a  goose  (nest 1.0)")
                // 80 tokens in 160 ms, in 80 and in 240.
                .contains("500.0 (333.3-1000.0) tok/s in all")
                .contains("3 of 33 requests failed by HTTP 503, such as: <b>full & \"busy\"</b>")
                .contains("goodput: first token within 50.0 ms");
        assertThat(text.lines().filter(line -> line.startsWith("  time to first token")))
                .anyMatch(line -> line.matches(".*token( +20\\.0){4} ms"))
                .anyMatch(line -> line.matches(".*token( +60\\.0){4} ms"))
                .anyMatch(line -> line.matches(".*token( +0\\.33){4}"));
        assertThat(text).contains("  output                                                   3.00");
    }

    @Test
    void jsonHasEveryRunAndNoNonsense() {
        JsonObject json = new JsonObject(BOTH.json().encode());
        assertThat(json.getJsonObject("environment").getString("date")).isEqualTo("2026-11-23T12:00:00Z");
        assertThat(json.getJsonObject("load").getInteger("prefix_words")).isEqualTo(100);
        assertThat(json.getJsonObject("goal").getDouble("ttft_ms")).isEqualTo(50);
        assertThat(json.getJsonObject("goal").getValue("e2el_ms")).isNull();
        JsonObject server = json.getJsonObject("server");
        assertThat(server.getString("software")).isEqualTo("nest 1.0");
        assertThat(server.getJsonArray("runs")).hasSize(3);
        JsonObject run = server.getJsonArray("runs").getJsonObject(0);
        assertThat(run.getInteger("failed")).isEqualTo(1);
        assertThat(run.getInteger("cached_prompt_tokens")).isEqualTo(640);
        assertThat(run.getJsonObject("itl_ms").getInteger("count")).isEqualTo(70);
        assertThat(run.getJsonObject("e2el_ms").getDouble("p99")).isEqualTo(80);
        assertThat(run.getJsonArray("failures").getJsonObject(0).getInteger("count"))
                .isEqualTo(1);
        assertThat(server.getJsonObject("medians").getJsonObject("ttft_ms_p50").getDouble("median"))
                .isEqualTo(20);
        assertThat(json.getJsonObject("ratios").getDouble("output_tokens_per_second"))
                .isCloseTo(3, within(1e-9));
        assertThat(json.getJsonObject("ratios").getDouble("ttft_ms_p99")).isCloseTo(1 / 3.0, within(1e-9));
    }

    @Test
    void aTestThatEndedEarlySaysSo() {
        Report report =
                new Report(HERE, LOAD, Goal.NONE, List.of(side("http://a", 10), side("http://b")), "ended before all");
        assertThat(report.text())
                .contains("nothing measured", "ended before all")
                .doesNotContain("first server's");
        assertThat(report.json().getString("ended")).isEqualTo("ended before all");
        assertThat(report.json().containsKey("ratios")).isFalse();
        assertThat(report.html()).contains("ended before all");
    }

    @Test
    void thePageIsWellFormedAndNeedsNothingElse() throws Exception {
        String html = BOTH.html();
        Document page = DocumentBuilderFactory.newInstance()
                .newDocumentBuilder()
                .parse(new ByteArrayInputStream(html.getBytes(StandardCharsets.UTF_8)));
        assertThat(page.getElementsByTagName("svg").getLength()).isEqualTo(7);
        for (String outside : List.of("script", "link", "img", "iframe")) {
            assertThat(page.getElementsByTagName(outside).getLength()).isZero();
        }
        assertThat(html).doesNotContain("src=", "@import", "url(").doesNotContain("<b>full");
        assertThat(page.getDocumentElement().getTextContent()).contains("<b>full & \"busy\"</b>", "3.00");
        NodeList paths = page.getElementsByTagName("path");
        // Four curves and three courses, of which two have a second line, for each server.
        assertThat(paths.getLength()).isEqualTo(2 * (4 + 3 + 2));
        for (int i = 0; i < paths.getLength(); i++) {
            assertThat(paths.item(i).getAttributes().getNamedItem("d").getNodeValue())
                    .matches("([ML]-?[\\d.]+ -?[\\d.]+(h0)?)+");
        }
    }

    @Test
    void axesHaveRoundValues() {
        assertThat(Chart.ticks(1).stream().map(Chart.Tick::label))
                .containsExactly("0.0", "0.2", "0.4", "0.6", "0.8", "1.0");
        assertThat(Chart.ticks(1234).stream().map(Chart.Tick::label)).containsExactly("0", "500", "1,000");
        assertThat(Chart.ticks(0.03).stream().map(Chart.Tick::value)).hasSizeBetween(3, 7);
    }

    @Test
    void eachNineOfAShareHasTheSameRoom() {
        Chart chart = Chart.shares("t", "ms", 4, List.of());
        assertThat(chart.place().applyAsDouble(0)).isZero();
        assertThat(chart.place().applyAsDouble(0.9)).isCloseTo(0.25, within(1e-9));
        assertThat(chart.place().applyAsDouble(0.99)).isCloseTo(0.5, within(1e-9));
        assertThat(chart.place().applyAsDouble(1)).isEqualTo(1);
        assertThat(chart.ticks().stream().map(Chart.Tick::label))
                .containsExactly("0", "50", "90", "99", "99.9", "99.99");
    }
}
