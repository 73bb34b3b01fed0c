package dev.skein.cli.bench;

import dev.skein.cli.model.FolderTree;
import dev.skein.compute.collective.Collective;
import dev.skein.compute.collective.Membership;
import dev.skein.compute.collective.SharedMemoryCollective;
import dev.skein.compute.collective.TcpCollective;
import dev.skein.loadtest.measure.Samples;
import dev.skein.loadtest.report.Figure;
import dev.skein.protocol.tls.Authority;
import dev.skein.protocol.tls.Encryption;
import dev.skein.protocol.tls.TlsFiles;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;

/// What two ranks of this machine take to add their floats up, over shared memory, over TCP and over TLS, beside what
/// the machine itself takes to hand a word or bytes from one thread to another. The second rank is a process of its
/// own, which makes the same calls in the same order.
public final class CollectiveBench {
    private static final Duration LIMIT = Duration.ofSeconds(60);
    static final int CALLS = 10_000;
    private static final int LONG_CALLS = 20;
    private static final int LONG_FLOATS = 1 << 20;
    private static final int[] COUNTS = {576, 4096};
    /// A rank that waits for the other to measure something alone is asleep after this time.
    private static final long SETTLE_MILLIS = 30;

    private static final double MICROS = 1e3;

    private final Map<String, List<Double>> samples = new LinkedHashMap<>();
    private final Map<String, String> units = new LinkedHashMap<>();

    private final int runs;
    private final int calls;

    private CollectiveBench(int runs, int calls) {
        this.runs = runs;
        this.calls = calls;
    }

    /// A figure for each size and way, of that many runs; one more run before them warms up.
    ///
    /// @param calls of a short kind in a run
    static List<Figure> run(int runs, int calls) {
        CollectiveBench bench = new CollectiveBench(runs, calls);
        try {
            bench.measure();
        } catch (IOException e) {
            throw new IllegalStateException("cannot start a second rank", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        return bench.figures();
    }

    private List<Figure> figures() {
        return samples.entrySet().stream()
                .map(entry -> new Figure(
                        entry.getKey(),
                        Samples.of(entry.getValue().stream()
                                .mapToDouble(Double::doubleValue)
                                .toArray()),
                        units.getOrDefault(entry.getKey(), "")))
                .toList();
    }

    private void measure() throws IOException, InterruptedException {
        Path folder = Files.createTempDirectory("skein-bench");
        try {
            measure(Authority.make(folder).sign(List.of("localhost"), 1));
        } finally {
            FolderTree.delete(folder);
        }
    }

    private void measure(TlsFiles tls) throws IOException, InterruptedException {
        String secret = UUID.randomUUID().toString();
        Process second = second(tls);
        try (ServerSocketChannel plain = listen();
                ServerSocketChannel encrypted = listen()) {
            String[] ports;
            try (OutputStream in = second.getOutputStream();
                    BufferedReader out = new BufferedReader(
                            new InputStreamReader(second.getInputStream(), StandardCharsets.UTF_8))) {
                in.write("%s %d %d %d %d%n"
                        .formatted(secret, port(plain), port(encrypted), runs, calls)
                        .getBytes(StandardCharsets.UTF_8));
                in.flush();
                ports = String.valueOf(out.readLine()).split(" ", 2);
            }
            ranks(
                    0,
                    secret,
                    new Door(plain, List.of(address(port(plain)), address(Integer.parseInt(ports[0])))),
                    new Door(encrypted, List.of(address(port(encrypted)), address(Integer.parseInt(ports[1])))),
                    Encryption.of(tls));
        } finally {
            second.destroy();
        }
    }

    private static Process second(TlsFiles tls) throws IOException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED",
                "-XX:+UseSerialGC"));
        command.addAll(tls.properties());
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), CollectiveBench.class.getName()));
        return new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
    }

    /// Where a rank listens, and where both do.
    private record Door(ServerSocketChannel listening, List<InetSocketAddress> addresses) {}

    /// The second rank.
    static void main() throws IOException, InterruptedException {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        String[] words = String.valueOf(in.readLine()).split(" ", -1);
        try (ServerSocketChannel plain = listen();
                ServerSocketChannel encrypted = listen()) {
            new PrintStream(System.out, true, StandardCharsets.UTF_8).println(port(plain) + " " + port(encrypted));
            new CollectiveBench(Integer.parseInt(words[3]), Integer.parseInt(words[4]))
                    .ranks(
                            1,
                            words[0],
                            new Door(plain, List.of(address(Integer.parseInt(words[1])), address(port(plain)))),
                            new Door(encrypted, List.of(address(Integer.parseInt(words[2])), address(port(encrypted)))),
                            TlsFiles.ofProperties().map(Encryption::of).orElseThrow());
        }
    }

    private void ranks(int rank, String secret, Door plain, Door encrypted, Encryption encryption)
            throws IOException, InterruptedException {
        Membership membership = new Membership(secret, secret, rank, 2, LIMIT);
        try (Collective memory = SharedMemoryCollective.join(membership);
                Collective tcp = TcpCollective.join(membership, plain.listening, plain.addresses);
                Collective tls =
                        TcpCollective.join(membership, encrypted.listening, encrypted.addresses, encryption.context());
                Arena arena = Arena.ofConfined()) {
            MemorySegment floats = arena.allocate(ValueLayout.JAVA_FLOAT, LONG_FLOATS);
            for (int run = -1; run < runs; run++) {
                if (run == 0) {
                    samples.clear();
                }
                if (rank == 0) {
                    Thread.sleep(SETTLE_MILLIS);
                    alone(arena);
                }
                together("shared memory", memory, floats);
                together("loopback TCP", tcp, floats);
                together("loopback TLS", tls, floats);
            }
            memory.barrier();
        }
    }

    private void together(String way, Collective ranks, MemorySegment floats) {
        for (int count : COUNTS) {
            add(
                    "all-reduce of %d, %s".formatted(count, way),
                    "us",
                    latency(calls, () -> ranks.allReduce(floats, count)));
        }
        double micros = latency(LONG_CALLS, () -> ranks.allReduce(floats, LONG_FLOATS));
        add("all-reduce of 4 MiB, " + way, "GB/s", 4.0 * LONG_FLOATS / micros / MICROS);
    }

    /// The median, in microseconds.
    private static double latency(int calls, Runnable call) {
        long[] nanos = new long[calls];
        for (int i = 0; i < calls; i++) {
            long start = System.nanoTime();
            call.run();
            nanos[i] = System.nanoTime() - start;
        }
        Arrays.sort(nanos);
        return nanos[calls / 2] / MICROS;
    }

    private void add(String name, String unit, double value) {
        units.put(name, unit);
        samples.computeIfAbsent(name, _ -> new ArrayList<>()).add(value);
    }

    // What the machine itself takes

    private void alone(Arena arena) throws IOException, InterruptedException {
        add("a word to the other core", "ns", CorePing.nanos());
        add("a byte there and back, loopback TCP", "us", bytes());
        add("loopback TCP, one way", "GB/s", stream());
        MemorySegment from = arena.allocate(4L * LONG_FLOATS).fill((byte) 1);
        MemorySegment to = arena.allocate(4L * LONG_FLOATS);
        double micros = latency(LONG_CALLS, () -> to.copyFrom(from));
        add("copying 4 MiB, one thread", "GB/s", 4.0 * LONG_FLOATS / micros / MICROS);
    }

    private interface Talk {
        void on(SocketChannel channel) throws IOException;
    }

    private double bytes() throws IOException, InterruptedException {
        double[] micros = new double[1];
        talk(
                channel -> {
                    ByteBuffer one = ByteBuffer.allocateDirect(1);
                    micros[0] = latency(calls, () -> {
                        move(channel, one, true);
                        move(channel, one, false);
                    });
                },
                channel -> {
                    ByteBuffer one = ByteBuffer.allocateDirect(1);
                    for (int i = 0; i < calls; i++) {
                        move(channel, one, false);
                        move(channel, one, true);
                    }
                });
        return micros[0];
    }

    private static double stream() throws IOException, InterruptedException {
        int piece = 128 << 10;
        int pieces = 256;
        double[] micros = new double[1];
        talk(
                channel -> {
                    ByteBuffer bytes = ByteBuffer.allocateDirect(piece);
                    micros[0] = latency(1, () -> {
                        for (int i = 0; i < pieces; i++) {
                            move(channel, bytes, false);
                        }
                    });
                },
                channel -> {
                    ByteBuffer bytes = ByteBuffer.allocateDirect(piece);
                    for (int i = 0; i < pieces; i++) {
                        move(channel, bytes, true);
                    }
                });
        return (double) piece * pieces / micros[0] / MICROS;
    }

    private static void talk(Talk here, Talk there) throws IOException, InterruptedException {
        try (ServerSocketChannel listening = listen();
                SocketChannel first = SocketChannel.open(listening.getLocalAddress());
                SocketChannel second = listening.accept()) {
            first.setOption(StandardSocketOptions.TCP_NODELAY, true);
            second.setOption(StandardSocketOptions.TCP_NODELAY, true);
            Thread other = Thread.ofPlatform().start(() -> {
                try {
                    there.on(second);
                } catch (IOException e) {
                    throw new IllegalStateException(e);
                }
            });
            here.on(first);
            other.join();
        }
    }

    private static void move(SocketChannel channel, ByteBuffer bytes, boolean out) {
        try {
            bytes.clear();
            while (bytes.hasRemaining()) {
                int moved = out ? channel.write(bytes) : channel.read(bytes);
                if (moved < 0) {
                    throw new IllegalStateException("the other end hung up");
                }
            }
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private static ServerSocketChannel listen() throws IOException {
        return ServerSocketChannel.open().bind(address(0));
    }

    private static InetSocketAddress address(int port) {
        return new InetSocketAddress(InetAddress.getLoopbackAddress(), port);
    }

    private static int port(ServerSocketChannel listening) throws IOException {
        return ((InetSocketAddress) listening.getLocalAddress()).getPort();
    }
}
