package dev.skein.compute.collective;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;

/** All ends of a group in this process, each with a thread of its own. */
final class Ends implements AutoCloseable {
    /** How the ends of a group are made. */
    enum Kind {
        MEMORY,
        TCP,
        TLS
    }

    /** What one end does. */
    interface Work<T> {
        T on(Collective end, Arena arena) throws Exception;
    }

    static final String TOKEN = "a token of this test";
    static final Duration LIMIT = Duration.ofSeconds(30);

    private static final SSLContext CLUSTER = Certificates.make();

    private final ExecutorService threads;
    private final List<Collective> ends;

    Ends(Kind kind, int size) throws Exception {
        this(kind, size, LIMIT);
    }

    Ends(Kind kind, int size, Duration limit) throws Exception {
        threads = Executors.newFixedThreadPool(size);
        ends = all(threads.invokeAll(kind == Kind.MEMORY ? inMemory(size, limit) : overTcp(size, limit, tls(kind))));
    }

    private static List<Callable<Collective>> inMemory(int size, Duration limit) {
        String group = name();
        List<Callable<Collective>> joins = new ArrayList<>();
        for (int rank = 0; rank < size; rank++) {
            Membership membership = new Membership(group, TOKEN, rank, size, limit);
            joins.add(() -> SharedMemoryCollective.join(membership));
        }
        return joins;
    }

    private static List<Callable<Collective>> overTcp(int size, Duration limit, @Nullable SSLContext tls)
            throws IOException {
        String group = name();
        List<ServerSocketChannel> listening = new ArrayList<>();
        List<InetSocketAddress> addresses = new ArrayList<>();
        for (int rank = 0; rank < size; rank++) {
            ServerSocketChannel channel =
                    ServerSocketChannel.open().bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
            listening.add(channel);
            addresses.add((InetSocketAddress) channel.getLocalAddress());
        }
        List<Callable<Collective>> joins = new ArrayList<>();
        for (int rank = 0; rank < size; rank++) {
            Membership membership = new Membership(group, TOKEN, rank, size, limit);
            ServerSocketChannel own = listening.get(rank);
            joins.add(() -> TcpCollective.join(membership, own, addresses, tls));
        }
        return joins;
    }

    private static @Nullable SSLContext tls(Kind kind) {
        return kind == Kind.TLS ? CLUSTER : null;
    }

    static String name() {
        return "test-" + UUID.randomUUID();
    }

    Collective end(int rank) {
        return ends.get(rank);
    }

    /** What each rank returned, in the order of ranks; throws what the first of them threw. */
    <T> List<T> run(Work<T> work) throws Exception {
        return all(start(work));
    }

    /** What each rank will return. */
    <T> List<Future<T>> start(Work<T> work) {
        return ends.stream()
                .map(end -> threads.submit(() -> {
                    try (Arena arena = Arena.ofConfined()) {
                        return work.on(end, arena);
                    }
                }))
                .toList();
    }

    private static <T> List<T> all(List<Future<T>> futures) throws Exception {
        List<T> results = new ArrayList<>();
        for (Future<T> future : futures) {
            try {
                results.add(future.get());
            } catch (ExecutionException e) {
                if (e.getCause() instanceof Exception cause) {
                    cause.addSuppressed(e);
                    throw cause;
                }
                throw e;
            }
        }
        return results;
    }

    static MemorySegment floats(Arena arena, float... values) {
        return values.length == 0 ? arena.allocate(0) : arena.allocateFrom(ValueLayout.JAVA_FLOAT, values);
    }

    static MemorySegment bytes(Arena arena, byte... values) {
        return values.length == 0 ? arena.allocate(0) : arena.allocateFrom(ValueLayout.JAVA_BYTE, values);
    }

    static float[] floats(MemorySegment segment) {
        return segment.toArray(ValueLayout.JAVA_FLOAT);
    }

    static byte[] bytes(MemorySegment segment) {
        return segment.toArray(ValueLayout.JAVA_BYTE);
    }

    @Override
    public void close() {
        ends.forEach(Collective::close);
        threads.shutdown();
    }
}
