package dev.skein.compute.collective;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import javax.net.ssl.SSLContext;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** How ends find each other, and that nobody else gets in. */
final class JoinTest {
    private static final String TOKEN = Ends.TOKEN;
    private static final Duration LONG = Duration.ofSeconds(30);
    private static final Duration SHORT = Duration.ofSeconds(1);

    private final ExecutorService threads = Executors.newCachedThreadPool();

    @TempDir
    Path folder;

    @AfterEach
    void end() {
        threads.shutdownNow();
    }

    // Shared memory

    @Test
    void nothingIsLeftOnceAllHaveJoined() throws Exception {
        Future<SharedMemoryCollective> first = memory("g", TOKEN, 0, 2, LONG);
        Path file = awaitFile();
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
                .isEqualTo("rw-------");
        try (Collective second = memory("g", TOKEN, 1, 2, LONG).get();
                Collective zeroth = first.get()) {
            assertThat(files()).isEmpty();
            assertThat(zeroth.size()).isEqualTo(second.size());
        }
    }

    @Test
    void aRankThatDoesNotJoinIsNamed() throws Exception {
        Future<SharedMemoryCollective> second = memory("g", TOKEN, 1, 3, LONG);
        Future<SharedMemoryCollective> first = memory("g", TOKEN, 0, 3, SHORT);
        assertMissing(first, 2, "rank 2 of group g did not join within 1000 ms");
        assertMissing(second, 2, "rank 2 of group g did not join within 1000 ms");
        assertMissing(memory("none", TOKEN, 1, 2, SHORT), 0, "rank 0 of group none did not join within 1000 ms");
        assertThat(files()).isEmpty();
    }

    @Test
    void anotherTokenSizeOrRankIsRefused() throws Exception {
        Future<SharedMemoryCollective> first = memory("g", TOKEN, 0, 2, LONG);
        awaitFile();
        assertMissing(memory("g", "another token that is long", 1, 2, LONG), 0, "another token");
        assertMissing(memory("g", TOKEN, 1, 3, LONG), 0, "it has 2 ranks, this rank knows of 3");
        try (Collective second = memory("g", TOKEN, 1, 2, LONG).get()) {
            first.get().close();
            assertThat(second.rank()).isOne();
        }
    }

    @Test
    void aFileOfSomethingElseIsRefusedOrNotTakenForOne() throws Exception {
        Path file = folder.resolve(SharedFiles.PREFIX + "g");
        long seed = System.nanoTime();
        Random random = new Random(seed);
        for (int length : new int[] {0, 1, 100, 127, 128, 5000}) {
            byte[] bytes = new byte[length];
            random.nextBytes(bytes);
            Files.write(file, bytes);
            assertThatThrownBy(() ->
                            memory("g", TOKEN, 1, 2, Duration.ofMillis(20)).get())
                    .as("%d bytes of seed %d", length, seed)
                    .cause()
                    .isInstanceOfSatisfying(
                            CollectiveException.class,
                            e -> assertThat(e.missing()).isZero());
        }
        Files.delete(file);
        Files.createSymbolicLink(file, Files.write(folder.resolve("elsewhere"), new byte[5000]));
        assertMissing(memory("g", TOKEN, 1, 2, Duration.ofMillis(20)), 0, "did not join");
        assertThat(Files.readAllBytes(folder.resolve("elsewhere"))).containsOnly(0);
    }

    @Test
    void anotherVersionIsRefused() throws Exception {
        ByteBuffer header = ByteBuffer.allocate(SharedLayout.HEADER_BYTES).order(ByteOrder.nativeOrder());
        header.putLong((int) SharedLayout.MAGIC_AT, SharedLayout.MAGIC).putLong((int) SharedLayout.VERSION_AT, 7);
        Files.write(folder.resolve(SharedFiles.PREFIX + "g"), header.array());
        assertMissing(memory("g", TOKEN, 1, 2, LONG), 0, "it speaks version 7, this rank 1");
    }

    @Test
    void whatDeadGroupsLeftIsRemoved() throws Exception {
        Path same = Files.write(folder.resolve(SharedFiles.PREFIX + "g"), new byte[9]);
        Path old = Files.write(folder.resolve(SharedFiles.PREFIX + "old"), new byte[9]);
        Path fresh = Files.write(folder.resolve(SharedFiles.PREFIX + "fresh"), new byte[9]);
        Files.setLastModifiedTime(old, FileTime.from(Instant.now().minusSeconds(100)));
        Future<SharedMemoryCollective> first = memory("g", TOKEN, 0, 2, LONG);
        try (Collective second = memory("g", TOKEN, 1, 2, LONG).get()) {
            first.get().close();
            assertThat(second.size()).isEqualTo(2);
        }
        assertThat(same).doesNotExist();
        assertThat(old).doesNotExist();
        assertThat(fresh).exists();
    }

    @Test
    void aFolderWithoutRoomIsLeftOut() throws Exception {
        Membership membership = new Membership("g", TOKEN, 0, 1, LONG);
        try (Collective alone = SharedMemoryCollective.join(membership, List.of(folder.resolve("missing"), folder))) {
            alone.barrier();
        }
        assertThatThrownBy(() -> SharedMemoryCollective.join(membership, List.of(folder.resolve("missing"))))
                .hasMessageContaining("cannot meet the others")
                .hasRootCauseInstanceOf(IOException.class);
    }

    // TCP

    @Test
    void aRankMayComeBeforeThoseItConnectsTo() throws Exception {
        InetSocketAddress address;
        try (ServerSocketChannel later = listen()) {
            address = (InetSocketAddress) later.getLocalAddress();
        }
        ServerSocketChannel own = listen();
        List<InetSocketAddress> addresses = List.of(address, (InetSocketAddress) own.getLocalAddress());
        Future<TcpCollective> second = tcp(TOKEN, 1, own, addresses, LONG);
        Thread.sleep(100);
        try (Collective first = tcp(TOKEN, 0, ServerSocketChannel.open().bind(address), addresses, LONG)
                        .get();
                Collective other = second.get()) {
            assertThat(first.size()).isEqualTo(other.size());
        }
    }

    @Test
    void strangersAreHungUpOnAndKeepNobodyOut() throws Exception {
        ServerSocketChannel first = listen();
        ServerSocketChannel second = listen();
        InetSocketAddress address = (InetSocketAddress) first.getLocalAddress();
        List<InetSocketAddress> addresses = List.of(address, (InetSocketAddress) second.getLocalAddress());
        Future<TcpCollective> zero = tcp(TOKEN, 0, first, addresses, LONG);
        List<Socket> silent = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            silent.add(new Socket(address.getAddress(), address.getPort()));
        }
        long seed = System.nanoTime();
        Random random = new Random(seed);
        for (int i = 0; i < 20; i++) {
            assertThat(answer(address, random, i % 2 == 0)).as("seed %d", seed).isLessThanOrEqualTo(44);
        }
        assertMissing(tcp("another token that is long", 1, listen(), addresses, LONG), 0, "not of this group");
        try (Collective one = tcp(TOKEN, 1, second, addresses, LONG).get();
                Collective other = zero.get()) {
            assertThat(one.rank() + other.rank()).isOne();
        }
        for (Socket socket : silent) {
            socket.close();
        }
    }

    /** Sends what is none of the protocol, or looks like it, and returns how many bytes came until it was hung up on. */
    private static int answer(InetSocketAddress address, Random random, boolean likeIt) throws IOException {
        try (Socket socket = new Socket(address.getAddress(), address.getPort())) {
            byte[] bytes = new byte[84];
            random.nextBytes(bytes);
            if (likeIt) {
                ByteBuffer.wrap(bytes)
                        .putLong(0x534b434f4c4c4543L)
                        .putInt(1)
                        .putInt(1)
                        .putInt(2);
            }
            socket.getOutputStream().write(bytes);
            int came = 0;
            while (socket.getInputStream().read() >= 0) {
                came++;
            }
            return came;
        } catch (SocketException e) {
            return 0; // hung up on before all was read
        }
    }

    @Test
    void otherSizesAndMissingRanksAreNamed() throws Exception {
        ServerSocketChannel first = listen();
        InetSocketAddress address = (InetSocketAddress) first.getLocalAddress();
        List<InetSocketAddress> two = List.of(address, address);
        Future<TcpCollective> zero = tcp(TOKEN, 0, first, two, Duration.ofSeconds(4));
        assertMissing(
                tcp(TOKEN, 2, listen(), List.of(address, address, address), LONG),
                0,
                "it has 2 ranks, this rank knows of 3");
        assertMissing(zero, 1, "rank 1 of group g did not join within 4000 ms");
        assertMissing(tcp(TOKEN, 1, listen(), two, SHORT), 0, "rank 0 of group g did not join within 1000 ms");
    }

    @Test
    void aCertificateOfAnotherClusterIsRefused() throws Exception {
        ServerSocketChannel first = listen();
        ServerSocketChannel second = listen();
        List<InetSocketAddress> addresses =
                List.of((InetSocketAddress) first.getLocalAddress(), (InetSocketAddress) second.getLocalAddress());
        SSLContext own = Certificates.make();
        SSLContext strange = Certificates.make();
        Membership one = new Membership("g", TOKEN, 0, 2, Duration.ofSeconds(5));
        Membership other = new Membership("g", TOKEN, 1, 2, LONG);
        Future<TcpCollective> zero = threads.submit(() -> TcpCollective.join(one, first, addresses, own));
        assertMissing(
                threads.submit(() -> TcpCollective.join(other, second, addresses, strange)), 0, "not of this group");
        assertMissing(zero, 1, "rank 1 of group g did not join");
    }

    @Test
    void whatIsNoFrameFailsTheCall() {
        long seed = System.nanoTime();
        Random random = new Random(seed);
        for (int i = 0; i < 500; i++) {
            byte[] bytes = new byte[random.nextInt(1, 80)];
            random.nextBytes(bytes);
            if (i % 2 == 0) {
                ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).put(0, (byte) random.nextInt(8));
                for (int zero = 1; zero < Math.min(bytes.length, 8); zero++) {
                    bytes[zero] = zero == 4 ? bytes[zero] : 0;
                }
            }
            Peer peer = new Peer(1, 0, new Bytes(bytes));
            Call call = new Call();
            call.begin(Operation.BARRIER, 0, 0);
            peer.expect(call, MemorySegment.NULL, 0, 0);
            try {
                for (int reads = 0; reads < 4; reads++) {
                    peer.read();
                }
                assertThat(peer.isDone()).as("seed %d", seed).isFalse();
            } catch (CollectiveException e) {
                assertThat(e.getMessage()).isNotNull();
            }
        }
    }

    /** Gives bytes, then ends. */
    private static final class Bytes implements Wire {
        private final ByteBuffer left;

        Bytes(byte[] bytes) {
            left = ByteBuffer.wrap(bytes);
        }

        @Override
        public int read(ByteBuffer into) {
            if (!left.hasRemaining()) {
                return -1;
            }
            int length = Math.min(left.remaining(), into.remaining());
            into.put(left.slice(left.position(), length));
            left.position(left.position() + length);
            return length;
        }

        @Override
        public int write(ByteBuffer from) {
            int length = from.remaining();
            from.position(from.limit());
            return length;
        }

        @Override
        public boolean flush() {
            return true;
        }

        @Override
        public void finish() {
            left.position(left.limit());
        }

        @Override
        public void close() {}
    }

    // All

    @Test
    void membershipsThatCannotBe() {
        assertThatThrownBy(() -> new Membership("a/b", TOKEN, 0, 1, LONG)).hasMessageContaining("a/b");
        assertThatThrownBy(() -> new Membership("", TOKEN, 0, 1, LONG)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new Membership("g", "short", 0, 1, LONG)).hasMessageContaining("16 are least");
        assertThatThrownBy(() -> new Membership("g", TOKEN, 0, 65, LONG)).hasMessageContaining("65 ranks; 1 to 64");
        assertThatThrownBy(() -> new Membership("g", TOKEN, 2, 2, LONG)).hasMessageContaining("rank 2 of 2");
        assertThatThrownBy(() -> new Membership("g", TOKEN, 0, 1, Duration.ZERO))
                .hasMessageContaining("limit");
        assertThat(new Membership("g", TOKEN, 0, 1, LONG).toString()).doesNotContain(TOKEN);
    }

    @Test
    void ranksOfOneHostShareMemoryOthersDoNot() throws Exception {
        assertThat(together("a", "a")).containsOnly(SharedMemoryCollective.class);
        assertThat(together("a", "b")).containsOnly(TcpCollective.class);
    }

    private List<Class<?>> together(String... hosts) throws Exception {
        List<ServerSocketChannel> listening = new ArrayList<>();
        List<Collectives.Place> places = new ArrayList<>();
        for (String host : hosts) {
            ServerSocketChannel own = listen();
            listening.add(own);
            places.add(new Collectives.Place(host, (InetSocketAddress) own.getLocalAddress()));
        }
        List<Callable<Collective>> joins = new ArrayList<>();
        String group = Ends.name();
        for (int rank = 0; rank < hosts.length; rank++) {
            Membership membership = new Membership(group, TOKEN, rank, hosts.length, LONG);
            ServerSocketChannel own = listening.get(rank);
            joins.add(() -> Collectives.join(membership, own, places));
        }
        List<Class<?>> kinds = new ArrayList<>();
        for (Future<Collective> each : threads.invokeAll(joins)) {
            kinds.add(each.get().getClass());
            each.get().close();
        }
        assertThat(listening).noneMatch(ServerSocketChannel::isOpen);
        return kinds;
    }

    private Future<SharedMemoryCollective> memory(String group, String token, int rank, int size, Duration limit) {
        Membership membership = new Membership(group, token, rank, size, limit);
        return threads.submit(() -> SharedMemoryCollective.join(membership, List.of(folder)));
    }

    private Future<TcpCollective> tcp(
            String token, int rank, ServerSocketChannel own, List<InetSocketAddress> addresses, Duration limit) {
        Membership membership = new Membership("g", token, rank, addresses.size(), limit);
        return threads.submit(() -> TcpCollective.join(membership, own, addresses));
    }

    private static ServerSocketChannel listen() throws IOException {
        return ServerSocketChannel.open().bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
    }

    private static void assertMissing(Future<?> join, int rank, String why) {
        assertThatThrownBy(join::get)
                .cause()
                .isInstanceOfSatisfying(
                        CollectiveException.class, e -> assertThat(e.missing()).isEqualTo(rank))
                .hasMessageContaining(why);
    }

    /** The file of a group that is being joined, once all of it is there. */
    private Path awaitFile() throws IOException, InterruptedException {
        Path file = folder.resolve(SharedFiles.PREFIX + "g");
        while (!Files.exists(file) || !isFilled(file)) {
            Thread.sleep(1);
        }
        return file;
    }

    private static boolean isFilled(Path file) throws IOException {
        // Opened by another process, as closing a file lets go of the locks that this one has on it.
        Process head = new ProcessBuilder("head", "-c", "1", file.toString()).start();
        return head.getInputStream().read() > 0;
    }

    private List<Path> files() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.toList();
        }
    }
}
