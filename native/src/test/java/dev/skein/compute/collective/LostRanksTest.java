package dev.skein.compute.collective;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Ranks in processes of their own, of which one is killed or stopped in the middle of each call. */
final class LostRanksTest {
    /** So long that nothing is found by it. */
    private static final Duration FOREVER = Duration.ofHours(1);

    private static final int VICTIM = 1;
    private static final int SIZE = 3;

    @ParameterizedTest
    @EnumSource(names = {"MEMORY", "TCP"})
    void killedInEachCallItIsNamed(Ends.Kind kind) throws Exception {
        List<RankProcess> ranks = start();
        try {
            for (RankProcess.Loop loop : RankProcess.Loop.values()) {
                RankProcess.join(ranks, kind, loop, FOREVER);
                Thread.sleep(20);
                ranks.get(VICTIM).kill();
                assertThat(survivors(ranks)).as("%s", loop).allSatisfy(failure -> {
                    assertThat(failure.missing()).as(failure.why()).isEqualTo(VICTIM);
                    assertThat(failure.why()).contains("died");
                });
                ranks.set(VICTIM, new RankProcess());
            }
            assertThat(filesLeft()).isEmpty();
        } finally {
            ranks.forEach(RankProcess::close);
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"MEMORY", "TCP"})
    void stoppedItIsNamedWhenItsTimeIsOver(Ends.Kind kind) throws Exception {
        List<RankProcess> ranks = start();
        try {
            RankProcess.join(ranks, kind, RankProcess.Loop.ALL_REDUCE, Duration.ofSeconds(4));
            ranks.get(VICTIM).signal("STOP");
            assertThat(survivors(ranks)).allSatisfy(failure -> {
                assertThat(failure.missing()).as(failure.why()).isEqualTo(VICTIM);
                assertThat(failure.why()).contains("4000 ms");
            });
            ranks.get(VICTIM).signal("CONT");
            assertThat(ranks.get(VICTIM).failure().why()).isNotEmpty();
        } finally {
            ranks.forEach(RankProcess::close);
        }
    }

    private static List<RankProcess> start() throws IOException {
        List<RankProcess> ranks = new ArrayList<>();
        for (int rank = 0; rank < SIZE; rank++) {
            ranks.add(new RankProcess());
        }
        return ranks;
    }

    private static List<RankProcess.Failure> survivors(List<RankProcess> ranks) throws IOException {
        List<RankProcess.Failure> failures = new ArrayList<>();
        for (int rank = 0; rank < SIZE; rank++) {
            if (rank != VICTIM) {
                failures.add(ranks.get(rank).failure());
            }
        }
        return failures;
    }

    private static List<Path> filesLeft() throws IOException {
        List<Path> left = new ArrayList<>();
        for (Path folder : SharedFiles.defaultFolders()) {
            try (Stream<Path> files = Files.list(folder)) {
                files.filter(file -> file.getFileName().toString().startsWith(SharedFiles.PREFIX + "test-"))
                        .forEach(left::add);
            }
        }
        return left;
    }
}
