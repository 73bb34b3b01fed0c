package dev.skein.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.compute.ElementType;
import dev.skein.compute.collective.CollectiveException;
import dev.skein.compute.collective.SharedMemoryCollective;
import dev.skein.compute.collective.TcpCollective;
import dev.skein.protocol.tls.Encryption;
import dev.skein.protocol.v1.RankPlace;
import dev.skein.worker.engine.Links;
import dev.skein.worker.model.Architecture;
import dev.skein.worker.model.Checkpoint;
import dev.skein.worker.model.RankCount;
import dev.skein.worker.model.Shard;
import dev.skein.worker.model.TinyLlama;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Ranks that are threads, on hosts that they are told to be on. */
final class MeetingPointTest {
    private static final String TOKEN = "the token of a group";

    @TempDir
    private Path folder;

    private List<Shard> shards(RankCount count) {
        Path model = TinyLlama.of(ElementType.F32, 1).write(folder.resolve("tiny.gguf"));
        try (Checkpoint opened = Checkpoint.open(model)) {
            return Architecture.of(opened).split(count).stream()
                    .map(Architecture::shard)
                    .toList();
        }
    }

    private static List<MeetingPoint> points(List<Shard> shards, String... hosts) {
        return shards.stream()
                .map(shard -> new MeetingPoint(shard, List.of(hosts), "127.0.0.1", Encryption.NONE))
                .toList();
    }

    private static List<RankPlace> places(List<MeetingPoint> points) {
        return points.stream()
                .map(point -> RankPlace.newBuilder().putAllPorts(point.ports()).build())
                .toList();
    }

    private static List<Links> meet(List<MeetingPoint> points) throws Exception {
        String session = UUID.randomUUID().toString();
        List<Links> links = new ArrayList<>();
        try (ExecutorService ranks = Executors.newCachedThreadPool()) {
            List<Future<Links>> meeting = points.stream()
                    .map(point -> ranks.submit(
                            () -> point.join(session, TOKEN, Duration.ofSeconds(30), places(points), "127.0.0.1")))
                    .toList();
            for (Future<Links> each : meeting) {
                links.add(each.get(60, TimeUnit.SECONDS));
            }
        }
        return links;
    }

    private static List<Class<?>> kinds(Links links) {
        return Stream.of(links.tensor(), links.previous(), links.next(), links.results())
                .<Class<?>>map(end -> end == null ? Void.class : end.getClass())
                .toList();
    }

    @Test
    void ranksOfOneHostShareMemoryAndThoseOfTwoHaveConnections() throws Exception {
        Class<?> memory = SharedMemoryCollective.class;
        Class<?> tcp = TcpCollective.class;
        Class<?> none = Void.class;
        List<MeetingPoint> points = points(shards(new RankCount(2, 2)), "a", "a", "b", "b");
        assertThat(points.getFirst().ports()).containsOnlyKeys("p0", "r");
        assertThat(points.getLast().ports()).isEmpty();
        List<Links> links = meet(points);
        assertThat(kinds(links.get(0))).containsExactly(memory, none, tcp, tcp);
        assertThat(kinds(links.get(1))).containsExactly(memory, none, tcp, none);
        assertThat(kinds(links.get(2))).containsExactly(memory, tcp, none, tcp);
        assertThat(kinds(links.get(3))).containsExactly(memory, tcp, none, none);
        links.forEach(Links::close);
    }

    @Test
    void nobodyListensWhereAllAreOnOneHost() throws Exception {
        List<MeetingPoint> points = points(shards(new RankCount(1, 2)), "a", "a");
        assertThat(points).allSatisfy(point -> assertThat(point.ports()).isEmpty());
        List<Links> links = meet(points);
        assertThat(links).extracting(Links::results).hasOnlyElementsOfType(SharedMemoryCollective.class);
        links.forEach(Links::close);
    }

    @Test
    void whoDoesNotComeIsNamed() {
        List<MeetingPoint> points = points(shards(new RankCount(2, 1)), "a", "b");
        List<RankPlace> places = places(points);
        points.getLast().close();
        try (MeetingPoint waiting = points.getFirst()) {
            assertThatThrownBy(() -> waiting.join("session", TOKEN, Duration.ofMillis(300), places, "127.0.0.1"))
                    .isInstanceOf(CollectiveException.class)
                    .hasMessageContaining("rank 1 of group session-t0 did not join within 300 ms");
        }
    }

    @Test
    void saysWhereItCannotListen() {
        List<Shard> shards = shards(new RankCount(2, 1));
        assertThatThrownBy(() -> new MeetingPoint(shards.getFirst(), List.of("a", "b"), "192.0.2.1", Encryption.NONE))
                .hasMessageContaining("rank 0 cannot listen on 192.0.2.1 for ranks of other hosts")
                .hasMessageContaining("SKEIN_RANK_ADDRESS names another address");
    }
}
