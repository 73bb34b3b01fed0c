package dev.skein.compute.collective;

import java.io.BufferedOutputStream;
import java.io.Closeable;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.net.StandardSocketOptions;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.concurrent.locks.LockSupport;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * How ranks find each other over TCP: each connects to those before it, trying again until they listen, and takes in those
 * after it. Whoever else connects is closed, and cannot keep the others from coming: greetings are exchanged side by side,
 * have little time, and there are not many at once.
 */
final class TcpJoin {
    private static final Logger log = LoggerFactory.getLogger(TcpJoin.class);

    private static final long GREETING_NANOS = 5_000_000_000L;
    private static final int MOST_GREETINGS = 128;
    private static final int ACCEPT_MILLIS = 50;
    private static final long RETRY_NANOS = 20_000_000;

    private final Membership membership;
    private final ServerSocketChannel listening;
    private final List<InetSocketAddress> addresses;
    private final @Nullable SSLContext tls;
    private final AtomicReferenceArray<@Nullable Wire> wires;
    /** Connections that have not said who they are, and when their time is over. */
    private final Map<SocketChannel, Long> greetings = new ConcurrentHashMap<>();

    private final long start = System.nanoTime();
    /** Read by greetings that end late: who comes after the end is hung up on. */
    private volatile boolean over;

    TcpJoin(
            Membership membership,
            ServerSocketChannel listening,
            List<InetSocketAddress> addresses,
            @Nullable SSLContext tls) {
        if (addresses.size() != membership.size()) {
            throw new IllegalArgumentException(
                    "%d addresses for %d ranks".formatted(addresses.size(), membership.size()));
        }
        this.membership = membership;
        this.listening = listening;
        this.addresses = List.copyOf(addresses);
        this.tls = tls;
        this.wires = new AtomicReferenceArray<>(membership.size());
    }

    /** The connections to all others, in the order of ranks. */
    Peer[] join() {
        boolean joined = false;
        try (listening) {
            for (int rank = 0; rank < membership.rank(); rank++) {
                wires.set(rank, connect(rank));
            }
            acceptAll();
            Peer[] peers = peers();
            joined = true;
            return peers;
        } catch (IOException e) {
            throw new UncheckedIOException("%s cannot meet the others".formatted(membership), e);
        } finally {
            over = true;
            if (!joined) {
                hangUp();
            }
        }
    }

    private Peer[] peers() {
        Peer[] peers = new Peer[membership.size() - 1];
        int next = 0;
        for (int rank = 0; rank < membership.size(); rank++) {
            Wire wire = wires.get(rank);
            if (wire != null) {
                peers[next++] = new Peer(rank, membership.rank(), wire);
            }
        }
        return peers;
    }

    // Those before

    private Wire connect(int rank) {
        IOException last = null;
        while (millisLeft() > 0) {
            try {
                return connectOnce(rank);
            } catch (SSLException e) {
                throw new CollectiveException(rank, "rank %d is not of this group: %s".formatted(rank, e.getMessage()));
            } catch (IOException e) {
                last = e;
                nap();
            }
        }
        throw missing(rank, " at %s: %s".formatted(addresses.get(rank), last));
    }

    private Wire connectOnce(int rank) throws IOException {
        SocketChannel channel = SocketChannel.open();
        try {
            Socket socket = channel.socket();
            socket.connect(resolved(addresses.get(rank)), millisLeft());
            socket.setSoTimeout(millisLeft());
            handshake(socket).connect(rank);
            return wire(channel, true);
        } catch (IOException | RuntimeException e) {
            channel.close();
            throw e;
        }
    }

    /** A name may become known, or another address, while the rank is being started. */
    private static InetSocketAddress resolved(InetSocketAddress address) {
        return address.isUnresolved() ? new InetSocketAddress(address.getHostString(), address.getPort()) : address;
    }

    // Those after

    private void acceptAll() throws IOException {
        listening.socket().setSoTimeout(ACCEPT_MILLIS);
        int missing = membership.rank() + 1;
        while (missing < membership.size()) {
            if (wires.get(missing) != null) {
                missing++;
            } else if (millisLeft() == 0) {
                throw missing(missing, "");
            } else {
                accept();
            }
        }
    }

    private void accept() throws IOException {
        hangUpOnSlow();
        Socket socket;
        try {
            socket = listening.socket().accept();
        } catch (SocketTimeoutException e) {
            return;
        }
        if (greetings.size() == MOST_GREETINGS) {
            socket.close();
            return;
        }
        greetings.put(socket.getChannel(), System.nanoTime());
        Thread.ofVirtual().name("skein-collective-greeting").start(() -> greet(socket.getChannel()));
    }

    /** Bytes that drip in keep a connection from timing out. */
    private void hangUpOnSlow() {
        greetings.forEach((channel, since) -> {
            if (System.nanoTime() - since > GREETING_NANOS) {
                close(channel);
            }
        });
    }

    private void greet(SocketChannel channel) {
        try {
            Socket socket = channel.socket();
            socket.setSoTimeout(Math.max(1, millisLeft()));
            int rank = handshake(socket).accept();
            if (!wires.compareAndSet(rank, null, wire(channel, false))) {
                throw new Handshake.Refused("rank %d is here already".formatted(rank));
            }
            if (over) {
                channel.close();
            }
        } catch (IOException e) {
            log.warn(
                    "refused a connection: group={} rank={} from={} why={}",
                    membership.group(),
                    membership.rank(),
                    channel.socket().getRemoteSocketAddress(),
                    e.toString());
            close(channel);
        } finally {
            greetings.remove(channel);
        }
    }

    // All

    /** The connection with a rank that is of this group. */
    private Wire wire(SocketChannel channel, boolean connecting) throws IOException {
        channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
        channel.configureBlocking(false);
        return tls == null
                ? new Wire.Plain(channel)
                : TlsWire.open(channel, tls, connecting, millisLeft() * 1_000_000L);
    }

    private Handshake handshake(Socket socket) throws IOException {
        return new Handshake(
                membership,
                new DataInputStream(socket.getInputStream()),
                new DataOutputStream(new BufferedOutputStream(socket.getOutputStream())));
    }

    private int millisLeft() {
        long left = membership.limitNanos() - (System.nanoTime() - start);
        return Math.clamp(left / 1_000_000, 0, Integer.MAX_VALUE);
    }

    private CollectiveException missing(int rank, String why) {
        return new CollectiveException(
                rank,
                "rank %d of group %s did not join within %d ms%s"
                        .formatted(rank, membership.group(), membership.limit().toMillis(), why));
    }

    private void nap() {
        if (Thread.currentThread().isInterrupted()) {
            throw new CollectiveException(
                    membership.rank(), "rank %d was interrupted while joining".formatted(membership.rank()));
        }
        LockSupport.parkNanos(RETRY_NANOS);
    }

    private void hangUp() {
        for (int rank = 0; rank < wires.length(); rank++) {
            Wire wire = wires.get(rank);
            if (wire != null) {
                close(wire);
            }
        }
    }

    private static void close(Closeable connection) {
        try {
            connection.close();
        } catch (IOException e) {
            log.debug("gone already: {}", e.toString());
        }
    }
}
