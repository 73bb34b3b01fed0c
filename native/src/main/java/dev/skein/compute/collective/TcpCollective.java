package dev.skein.compute.collective;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.net.InetSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;

/**
 * Ranks of any hosts, over a TCP connection between each two.
 *
 * <p>The thread that makes a call moves all its connections on by turns without blocking on one, so two ranks may send each
 * other more than the system buffers, no other thread is woken, and the wait for each rank is bounded. Bytes go through a
 * buffer of the connection, so calls allocate nothing.
 *
 * <p>Sums of two ranks, and short ones, go from each to each, which takes one turn of the network. Longer sums of more ranks
 * are made slice by slice, each by one rank, in the order of ranks as well, and handed to the others: two turns, but less to send.
 *
 * <p>Ends prove to each other that they know the group's token, without sending it. Connections are encrypted if a context for
 * TLS is given; the engine of Java then allocates some objects for each record.
 */
public final class TcpCollective implements Collective {
    /** As much is summed at once: with what comes from one other rank it stays in a second-level cache. */
    private static final long PIECE_BYTES = 512 << 10;
    /** After this part of the time limit an end tells the others for whom it waits. */
    private static final int COMPLAINT_PART = 8;

    private static final long BLOCK_BYTES = 4L * OrderedSum.BLOCK;
    /** For the last words of a group that fails; the others find out without them, but not why. */
    private static final long LAST_WORDS_NANOS = 20_000_000;

    private static final long NAP_NANOS = 200_000;

    private final Membership membership;
    private final int rank;
    private final int size;
    /** All ranks but this one, in their order. */
    private final Peer[] peers;
    /** Messages to and from each, which only the two know of. */
    private final Call[] sends;

    private final Call[] receives;

    private final Arena arena = Arena.ofShared();
    /** What came of each rank to be summed. */
    private final MemorySegment came;

    private final Call call = new Call();
    private final Patience patience;
    private final OrderedSum sum = new OrderedSum();
    /** Held during a call, so that {@link #abort} can speak for an end that is in none. */
    private final ReentrantLock talking = new ReentrantLock();
    /** Read by a call that waits. */
    private volatile @Nullable String aborted;

    /** The one that this end is in. */
    private Call current = call;

    /** Whether the others know that this end waits. */
    private boolean hasComplained;

    private @Nullable CollectiveException failure;
    private boolean closed;

    private TcpCollective(Membership membership, Peer[] peers) {
        this.membership = membership;
        this.rank = membership.rank();
        this.size = membership.size();
        this.patience = new Patience(size);
        this.peers = peers;
        this.sends = calls(size);
        this.receives = calls(size);
        this.came = arena.allocate(PIECE_BYTES * size, 64);
    }

    /**
     * Connects to the ranks before this one and waits for those after it.
     *
     * @param listening bound to this rank's address; closed when all have come or not
     * @param addresses of all ranks, in their order
     * @throws CollectiveException if a rank does not come in time, or is of another group
     */
    public static TcpCollective join(
            Membership membership, ServerSocketChannel listening, List<InetSocketAddress> addresses) {
        return join(membership, listening, addresses, null);
    }

    /**
     * As the other, with encryption.
     *
     * @param tls with a certificate of this rank's, and trust in those of the others; null for none. Names in certificates are
     *     not compared with addresses: who has one of the cluster's and the group's token is of the group
     */
    public static TcpCollective join(
            Membership membership,
            ServerSocketChannel listening,
            List<InetSocketAddress> addresses,
            @Nullable SSLContext tls) {
        Peer[] peers = new TcpJoin(membership, listening, addresses, tls).join();
        TcpCollective collective = new TcpCollective(membership, peers);
        try {
            collective.barrier();
            return collective;
        } catch (CollectiveException e) {
            collective.close();
            throw e;
        }
    }

    @Override
    public int rank() {
        return rank;
    }

    @Override
    public int size() {
        return size;
    }

    @Override
    public Duration limit() {
        return membership.limit();
    }

    @Override
    public void check() {
        talking.lock();
        try {
            checkUsable();
        } finally {
            talking.unlock();
        }
    }

    // Calls

    @Override
    public void allReduce(MemorySegment floats, long count) {
        long bytes = Math.multiplyExact(count, 4L);
        Objects.checkFromIndexSize(0, bytes, floats.byteSize());
        talking.lock();
        try {
            begin(Operation.ALL_REDUCE, 0, bytes);
            if (Slices.areWorthwhile(size, bytes)) {
                reduceSliced(floats, bytes);
            } else {
                reduceWhole(floats, bytes);
            }
        } finally {
            talking.unlock();
        }
    }

    private void reduceWhole(MemorySegment floats, long bytes) {
        long at = 0;
        do {
            long length = Math.min(PIECE_BYTES, bytes - at);
            Call news = at == 0 ? call : null;
            for (Peer peer : peers) {
                peer.offer(news, floats, at, length);
                peer.expect(news, came, PIECE_BYTES * peer.rank(), length);
            }
            move(false);
            sum(floats, at, length);
            at += length;
        } while (at < bytes);
    }

    private void reduceSliced(MemorySegment floats, long bytes) {
        for (long at = 0; at < bytes; at += size * PIECE_BYTES) {
            long length = Math.min(size * PIECE_BYTES, bytes - at);
            long start = at + Slices.start(rank, size, length);
            long mine = Slices.length(rank, size, length);
            Call news = at == 0 ? call : null;
            for (Peer peer : peers) {
                long theirs = Slices.length(peer.rank(), size, length);
                peer.offer(news, floats, at + Slices.start(peer.rank(), size, length), theirs);
                peer.expect(news, came, PIECE_BYTES * peer.rank(), mine);
            }
            move(false);
            sum(floats, start, mine);
            for (Peer peer : peers) {
                long theirs = Slices.length(peer.rank(), size, length);
                peer.offer(null, floats, start, mine);
                peer.expect(null, floats, at + Slices.start(peer.rank(), size, length), theirs);
            }
            move(false);
        }
    }

    /** Adds what came to this rank's own floats, in the order of ranks. */
    private void sum(MemorySegment floats, long at, long length) {
        for (long block = 0; block < length; block += BLOCK_BYTES) {
            int count = (int) (Math.min(BLOCK_BYTES, length - block) / 4);
            for (int other = 0; other < size; other++) {
                boolean own = other == rank;
                MemorySegment from = own ? floats : came;
                long offset = (own ? at : PIECE_BYTES * other) + block;
                if (other == 0) {
                    sum.first(from, offset, count);
                } else {
                    sum.add(from, offset, count);
                }
            }
            sum.result(floats, at + block, count);
        }
    }

    @Override
    public void allGather(MemorySegment part, long[] lengths, MemorySegment all) {
        talking.lock();
        try {
            begin(Operation.ALL_GATHER, 0, Lengths.check(lengths, rank, size, part, all));
            for (long length : lengths) {
                call.note(length);
            }
            long start = 0;
            for (int other = 0; other < size; other++) {
                if (other == rank) {
                    MemorySegment.copy(part, 0, all, start, lengths[other]);
                } else {
                    peer(other).offer(call, part, 0, lengths[rank]);
                    peer(other).expect(call, all, start, lengths[other]);
                }
                start += lengths[other];
            }
            move(false);
        } finally {
            talking.unlock();
        }
    }

    @Override
    public void broadcast(MemorySegment bytes, int root) {
        Objects.checkIndex(root, size);
        broadcast(bytes, root, false);
    }

    @Override
    public void awaitBroadcast(MemorySegment bytes, int root) {
        checkOther(root);
        broadcast(bytes, root, true);
    }

    private void broadcast(MemorySegment bytes, int root, boolean idle) {
        talking.lock();
        try {
            begin(Operation.BROADCAST, root, bytes.byteSize());
            for (Peer peer : peers) {
                if (rank == root) {
                    peer.offer(call, bytes, 0, bytes.byteSize());
                } else if (peer.rank() == root) {
                    peer.expect(call, bytes, 0, bytes.byteSize());
                }
            }
            move(idle);
        } finally {
            talking.unlock();
        }
    }

    @Override
    public void barrier() {
        talking.lock();
        try {
            begin(Operation.BARRIER, 0, 0);
            for (Peer peer : peers) {
                peer.offer(call, MemorySegment.NULL, 0, 0);
                peer.expect(call, MemorySegment.NULL, 0, 0);
            }
            move(false);
        } finally {
            talking.unlock();
        }
    }

    @Override
    public void send(MemorySegment bytes, int to) {
        checkOther(to);
        talking.lock();
        try {
            begin(sends[to], Operation.MESSAGE, rank, bytes.byteSize());
            peer(to).offer(sends[to], bytes, 0, bytes.byteSize());
            move(false);
        } finally {
            talking.unlock();
        }
    }

    @Override
    public void receive(MemorySegment bytes, int from) {
        checkOther(from);
        talking.lock();
        try {
            begin(receives[from], Operation.MESSAGE, from, bytes.byteSize());
            peer(from).expect(receives[from], bytes, 0, bytes.byteSize());
            move(false);
        } finally {
            talking.unlock();
        }
    }

    // Waiting

    private void begin(Operation operation, int root, long bytes) {
        begin(call, operation, root, bytes);
    }

    private void begin(Call next, Operation operation, int root, long bytes) {
        checkUsable();
        current = next;
        next.begin(operation, root, bytes);
    }

    /** Sends all that is offered and receives all that is expected. */
    private void move(boolean idle) {
        try {
            moveAll(idle);
            if (hasComplained) {
                hasComplained = false;
                sayWaiting(Peer.NOBODY);
                moveAll(false);
            }
        } catch (CollectiveException e) {
            end(e);
            throw e;
        }
    }

    private void moveAll(boolean idle) {
        boolean waitsIdly = idle;
        patience.begin(waitsIdly);
        while (!isDone()) {
            if (moveOn()) {
                waitsIdly = false;
                patience.begin(false);
            } else if (patience.pause()) {
                look(waitsIdly);
            }
        }
    }

    private boolean isDone() {
        for (Peer peer : peers) {
            if (!peer.isDone()) {
                return false;
            }
        }
        return true;
    }

    private boolean moveOn() {
        String reason = aborted;
        if (reason != null) {
            throw gaveUp(reason);
        }
        boolean moved = false;
        for (Peer peer : peers) {
            moved |= peer.write();
            moved |= peer.read();
            if (peer.isGone() && !peer.isDone()) {
                peer.hearOut();
                throw new CollectiveException(peer.rank(), "rank %d %s".formatted(peer.rank(), peer.whyGone()));
            }
        }
        return moved;
    }

    /** Whether there is hope that the others come, and whether one of them says that there is none. */
    private void look(boolean idle) {
        if (Thread.currentThread().isInterrupted()) {
            throw new CollectiveException(rank, "rank %d was interrupted at %s".formatted(rank, current));
        }
        for (Peer peer : peers) {
            peer.listen();
        }
        if (!hasComplained && patience.waitedNanos() > membership.limitNanos() / COMPLAINT_PART) {
            hasComplained = true;
            sayWaiting(firstAwaited());
        }
        if (!idle && patience.waitedNanos() > membership.limitNanos()) {
            throw late(firstAwaited());
        }
    }

    private void sayWaiting(int other) {
        for (Peer peer : peers) {
            peer.sayWaiting(other);
        }
    }

    private int firstAwaited() {
        for (Peer peer : peers) {
            if (!peer.isDone()) {
                return peer.rank();
            }
        }
        return Peer.NOBODY;
    }

    private CollectiveException late(int other) {
        int missing = awaitedInTheEnd(other);
        return new CollectiveException(
                missing,
                "rank %d did not come within %d ms; rank %d waits for rank %d at %s"
                        .formatted(missing, membership.limit().toMillis(), rank, other, current));
    }

    /** Whom the rank waits for that is waited for, and so on: a rank that waits itself is not to blame. */
    private int awaitedInTheEnd(int other) {
        int last = other;
        for (int steps = 0; steps < size; steps++) {
            int next = peer(last).waitsFor();
            if (next < 0 || next >= size) {
                return last;
            }
            if (next == rank) {
                return other;
            }
            last = next;
        }
        return other; // in a circle: the calls do not fit each other
    }

    private Peer peer(int other) {
        return peers[other < rank ? other : other - 1];
    }

    // Ends

    /** Tells the others why, and lets go of them. */
    private void end(CollectiveException reason) {
        failure = reason;
        for (Peer peer : peers) {
            peer.sayFailed(reason.missing(), String.valueOf(reason.getMessage()));
        }
        speakOut();
        for (Peer peer : peers) {
            peer.finish();
        }
        hearOut();
        hangUp();
    }

    private void speakOut() {
        long start = System.nanoTime();
        boolean speaking = true;
        while (speaking && System.nanoTime() - start < LAST_WORDS_NANOS) {
            speaking = false;
            for (Peer peer : peers) {
                peer.write();
                speaking |= !peer.isSent() && !peer.isGone();
            }
            Thread.onSpinWait();
        }
    }

    private void hearOut() {
        long start = System.nanoTime();
        boolean hearing = true;
        while (hearing && System.nanoTime() - start < LAST_WORDS_NANOS) {
            hearing = false;
            for (Peer peer : peers) {
                hearing |= !peer.drain();
            }
            LockSupport.parkNanos(NAP_NANOS);
        }
    }

    private void hangUp() {
        for (Peer peer : peers) {
            peer.close();
        }
    }

    private CollectiveException gaveUp(String reason) {
        return new CollectiveException(rank, "rank %d gave up: %s".formatted(rank, reason));
    }

    private void checkUsable() {
        if (closed) {
            throw new IllegalStateException("rank %d has left group %s".formatted(rank, membership.group()));
        }
        if (failure != null) {
            throw new CollectiveException(failure.missing(), String.valueOf(failure.getMessage()));
        }
    }

    private void checkOther(int other) {
        Objects.checkIndex(other, size);
        if (other == rank) {
            throw new IllegalArgumentException("rank %d has nothing to say to itself".formatted(rank));
        }
    }

    @Override
    public void abort(String reason) {
        aborted = reason;
        talking.lock();
        try {
            if (!closed && failure == null) {
                end(gaveUp(reason));
            }
        } finally {
            talking.unlock();
        }
    }

    @Override
    public void close() {
        talking.lock();
        try {
            if (closed) {
                return;
            }
            closed = true;
            if (failure == null) {
                for (Peer peer : peers) {
                    peer.sayLeft();
                }
                speakOut();
                hangUp();
            }
            arena.close();
        } finally {
            talking.unlock();
        }
    }

    private static Call[] calls(int size) {
        Call[] calls = new Call[size];
        Arrays.setAll(calls, rank -> new Call());
        return calls;
    }
}
