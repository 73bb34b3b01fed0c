package dev.skein.compute.collective;

import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.io.PrintStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;

/**
 * A rank in a process of its own: joins a group when told so by a line, makes the same call again and again until it fails,
 * says why, and waits for the next line.
 */
final class RankProcess implements AutoCloseable {
    /** What a rank does again and again. */
    enum Loop {
        ALL_REDUCE,
        ALL_GATHER,
        BROADCAST,
        HAND_ON,
        BARRIER,
        LONG_ALL_REDUCE,
        IDLE
    }

    /** The last line of a group: who failed, and why. */
    record Failure(int missing, String why) {}

    private static final int FLOATS = 576;
    private static final int LONG_FLOATS = 1 << 20;

    private final Process process;
    private final BufferedReader lines;
    private final BufferedWriter commands;

    RankProcess() throws IOException {
        process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:TieredStopAtLevel=1",
                        "-XX:+UseSerialGC",
                        "-cp",
                        System.getProperty("java.class.path"),
                        RankProcess.class.getName())
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        lines = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
        commands = new BufferedWriter(new OutputStreamWriter(process.getOutputStream(), StandardCharsets.UTF_8));
    }

    /** Lets processes join a group and returns when all are in their loops. */
    static void join(List<RankProcess> ranks, Ends.Kind kind, Loop loop, Duration limit) throws IOException {
        String group = Ends.name();
        StringBuilder ports = new StringBuilder();
        for (int rank = 0; rank < ranks.size(); rank++) {
            ranks.get(rank).say("%s %s %d %d %d %s".formatted(kind, group, rank, ranks.size(), limit.toMillis(), loop));
            ports.append(ranks.get(rank).lines.readLine()).append(' ');
        }
        for (RankProcess rank : ranks) {
            rank.say(ports.toString());
        }
        for (RankProcess rank : ranks) {
            String line = rank.lines.readLine();
            if (!"joined".equals(line)) {
                throw new IOException("did not join but said " + line);
            }
        }
    }

    private void say(String line) throws IOException {
        commands.write(line);
        commands.newLine();
        commands.flush();
    }

    long pid() {
        return process.pid();
    }

    /** As {@code kill -9} does. */
    void kill() throws InterruptedException {
        process.destroyForcibly().waitFor();
    }

    void signal(String name) throws IOException, InterruptedException {
        new ProcessBuilder("kill", "-" + name, Long.toString(process.pid()))
                .start()
                .waitFor();
    }

    Failure failure() throws IOException {
        String line = lines.readLine();
        if (line == null) {
            throw new IOException("a rank ended without saying why");
        }
        String[] parts = line.split(" ", 2);
        return new Failure(Integer.parseInt(parts[0]), parts[1]);
    }

    @Override
    public void close() {
        process.destroyForcibly();
    }

    // In the process

    public static void main(String[] arguments) throws IOException {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split(" ", -1);
            ServerSocketChannel listening =
                    ServerSocketChannel.open().bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
            out.println(((InetSocketAddress) listening.getLocalAddress()).getPort());
            List<Collectives.Place> places = places(in.readLine(), Ends.Kind.valueOf(words[0]));
            Membership membership = new Membership(
                    words[1],
                    Ends.TOKEN,
                    Integer.parseInt(words[2]),
                    Integer.parseInt(words[3]),
                    Duration.ofMillis(Long.parseLong(words[4])));
            try (Collective collective = Collectives.join(membership, listening, places)) {
                out.println("joined");
                loop(collective, Loop.valueOf(words[5]));
            } catch (CollectiveException e) {
                out.println(e.missing() + " " + e.getMessage());
            }
        }
    }

    private static List<Collectives.Place> places(String ports, Ends.Kind kind) {
        return Arrays.stream(ports.trim().split(" ", -1))
                .map(port -> new Collectives.Place(
                        kind == Ends.Kind.MEMORY ? "one" : port,
                        new InetSocketAddress(InetAddress.getLoopbackAddress(), Integer.parseInt(port))))
                .toList();
    }

    private static void loop(Collective end, Loop loop) {
        try (Arena arena = Arena.ofConfined()) {
            int count = loop == Loop.LONG_ALL_REDUCE ? LONG_FLOATS : FLOATS;
            MemorySegment floats = arena.allocate(ValueLayout.JAVA_FLOAT, count);
            MemorySegment all = arena.allocate(floats.byteSize() * end.size());
            long[] lengths = new long[end.size()];
            Arrays.fill(lengths, floats.byteSize());
            while (true) {
                switch (loop) {
                    case ALL_REDUCE, LONG_ALL_REDUCE -> end.allReduce(floats, count);
                    case ALL_GATHER -> end.allGather(floats, lengths, all);
                    case BROADCAST -> end.broadcast(floats, 0);
                    case HAND_ON -> handOn(end, floats);
                    case BARRIER -> end.barrier();
                    case IDLE -> idle(end, floats);
                }
            }
        }
    }

    /** Around in a ring, so that each rank is missed by the next. */
    private static void handOn(Collective end, MemorySegment bytes) {
        int next = (end.rank() + 1) % end.size();
        int last = (end.rank() + end.size() - 1) % end.size();
        if (end.rank() == 0) {
            end.send(bytes, next);
            end.receive(bytes, last);
        } else {
            end.receive(bytes, last);
            end.send(bytes, next);
        }
    }

    /** Rank 1 leads, and gives nothing to do. */
    private static void idle(Collective end, MemorySegment bytes) {
        if (end.rank() == 1) {
            try {
                Thread.sleep(Duration.ofHours(1));
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        }
        end.awaitBroadcast(bytes, 1);
    }
}
