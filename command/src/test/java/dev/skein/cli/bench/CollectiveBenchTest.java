package dev.skein.cli.bench;

import static org.assertj.core.api.Assertions.assertThat;

import dev.skein.loadtest.report.Figure;
import java.util.List;
import org.junit.jupiter.api.Test;

final class CollectiveBenchTest {
    @Test
    void aSecondProcessSumsWithThisOne() {
        List<Figure> figures = CollectiveBench.run(1, 20);
        assertThat(figures).hasSize(13).allSatisfy(figure -> {
            assertThat(figure.samples().count()).isOne();
            assertThat(figure.samples().least()).as(figure.name()).isPositive();
        });
    }
}
