package dev.skein.compute.collective;

import dev.skein.compute.cpu.FloatAddition;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * Ranks that are processes of one host and user, over memory that they share. A process holds one rank of a group, or all.
 *
 * <p>A call goes in rounds. In a round a rank writes a piece into a slot of its own and says that it has come; when the
 * others have come it reads theirs. There are two slots for each rank, of even and of odd rounds: a rank writes its slot
 * again two rounds later, and before that it has seen all others come to the round between, so they have done with the one
 * before. One meeting is all that a round needs.
 *
 * <p>The bytes between two ranks that send and receive go through slots of this pair in the same way.
 */
public final class SharedMemoryCollective implements Collective {
    private static final long BLOCK_BYTES = 4L * OrderedSum.BLOCK;

    private final Membership membership;
    private final int rank;
    private final int size;
    private final SharedGroup group;
    private final SharedLayout layout;
    private final MemorySegment memory;
    private final Call call = new Call();
    /** A message to or from one rank, which is none of the calls of all. */
    private final Call message = new Call();

    private final Patience patience;
    private final OrderedSum sum = new OrderedSum();
    private final @Nullable FloatAddition addition = FloatAddition.find().orElse(null);
    private final long[] sent;
    private final long[] received;
    /** Guards closing against {@link #abort} of another thread. */
    private final ReentrantLock ending = new ReentrantLock();

    private long round;
    /** The last round to which all are known to have come. */
    private long met;

    /** The one that this end is in. */
    private Call current = call;

    private boolean closed;

    private SharedMemoryCollective(Membership membership, SharedGroup group) {
        this.membership = membership;
        this.rank = membership.rank();
        this.size = membership.size();
        this.patience = new Patience(size);
        this.group = group;
        this.layout = group.layout();
        this.memory = group.memory();
        this.sent = new long[size];
        this.received = new long[size];
    }

    /**
     * Meets the others in {@code /dev/shm}, or among temporary files where that is missing or has no room: some megabytes,
     * less than 512 KiB for each rank and 128 KiB for each pair of ranks.
     *
     * @throws CollectiveException if a rank does not come in time, or is of another group
     */
    public static SharedMemoryCollective join(Membership membership) {
        return join(membership, SharedFiles.defaultFolders());
    }

    static SharedMemoryCollective join(Membership membership, List<Path> folders) {
        return new SharedMemoryCollective(membership, new SharedFiles(membership, folders).join());
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
        checkUsable();
        for (int other = 0; other < size; other++) {
            if (other != rank && group.hasClosed(other)) {
                throw new CollectiveException(
                        other, "rank %d has left the group, and rank %d needs it".formatted(other, rank));
            }
            if (other != rank && group.isDead(other)) {
                throw new CollectiveException(
                        other,
                        "rank %d (process %d) has died, and rank %d needs it"
                                .formatted(other, group.process(other), rank));
            }
        }
    }

    // Calls

    @Override
    public void allReduce(MemorySegment floats, long count) {
        long bytes = Math.multiplyExact(count, 4L);
        Objects.checkFromIndexSize(0, bytes, floats.byteSize());
        begin(Operation.ALL_REDUCE, 0, bytes);
        long at = 0;
        do {
            long length = Math.min(SharedLayout.SLOT_BYTES, bytes - at);
            offer(floats, at, length);
            awaitAll();
            if (Slices.areWorthwhile(size, length)) {
                sum(floats, at, Slices.start(rank, size, length), Slices.length(rank, size, length));
                exchangeSlices(floats, at, length);
            } else {
                sum(floats, at, 0, length);
            }
            at += length;
        } while (at < bytes);
    }

    /** Adds up what lies in the slots from some byte on. */
    private void sum(MemorySegment floats, long at, long start, long length) {
        // A call of the library costs more than a single block through arrays.
        if (addition != null && length > BLOCK_BYTES && floats.isNative()) {
            sumInPlace(addition, floats, at + start, start, length);
        } else {
            sumInBlocks(floats, at, start, length);
        }
    }

    /** The sum of the first two ranks has the same bits either way round, so each of them starts from its own floats. */
    private void sumInPlace(FloatAddition by, MemorySegment floats, long at, long start, long length) {
        int first = rank < 2 ? rank : 0;
        if (first != rank) {
            MemorySegment.copy(memory, layout.slot(first, round) + start, floats, at, length);
        }
        for (int other = 0; other < size; other++) {
            if (other != first) {
                by.add(floats, at, memory, layout.slot(other, round) + start, length / 4);
            }
        }
    }

    private void sumInBlocks(MemorySegment floats, long at, long start, long length) {
        for (long block = start; block < start + length; block += BLOCK_BYTES) {
            int count = (int) (Math.min(BLOCK_BYTES, start + length - block) / 4);
            sum.first(memory, layout.slot(0, round) + block, count);
            for (int other = 1; other < size; other++) {
                sum.add(memory, layout.slot(other, round) + block, count);
            }
            sum.result(floats, at + block, count);
        }
    }

    private void exchangeSlices(MemorySegment floats, long at, long length) {
        offer(floats, at + Slices.start(rank, size, length), Slices.length(rank, size, length));
        awaitAll();
        for (int other = 0; other < size; other++) {
            long start = at + Slices.start(other, size, length);
            MemorySegment.copy(memory, layout.slot(other, round), floats, start, Slices.length(other, size, length));
        }
    }

    @Override
    public void allGather(MemorySegment part, long[] lengths, MemorySegment all) {
        begin(Operation.ALL_GATHER, 0, Lengths.check(lengths, rank, size, part, all));
        for (long length : lengths) {
            call.note(length);
        }
        long longest = Lengths.longest(lengths);
        long at = 0;
        do {
            offer(part, at, Math.clamp(lengths[rank] - at, 0, SharedLayout.SLOT_BYTES));
            awaitAll();
            gatherPieces(lengths, all, at);
            at += SharedLayout.SLOT_BYTES;
        } while (at < longest);
    }

    private void gatherPieces(long[] lengths, MemorySegment all, long at) {
        long start = 0;
        for (int other = 0; other < size; other++) {
            long length = Math.clamp(lengths[other] - at, 0, SharedLayout.SLOT_BYTES);
            if (length > 0) {
                MemorySegment.copy(memory, layout.slot(other, round), all, start + at, length);
            }
            start += lengths[other];
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
        long total = bytes.byteSize();
        begin(Operation.BROADCAST, root, total);
        long at = 0;
        do {
            long length = Math.min(SharedLayout.SLOT_BYTES, total - at);
            offer(bytes, at, rank == root ? length : 0);
            if (rank != root) {
                awaitRound(root, idle && at == 0);
                MemorySegment.copy(memory, layout.slot(root, round), bytes, at, length);
            }
            at += length;
        } while (at < total);
    }

    @Override
    public void barrier() {
        begin(Operation.BARRIER, 0, 0);
        offer(MemorySegment.NULL, 0, 0);
        awaitAll();
    }

    @Override
    public void send(MemorySegment bytes, int to) {
        checkOther(to);
        long total = bytes.byteSize();
        beginMessage(rank, total);
        long at = 0;
        do {
            long number = ++sent[to];
            await(to, layout.received(rank, to), number - 2, false);
            long length = Math.min(SharedLayout.MAIL_BYTES, total - at);
            MemorySegment.copy(bytes, at, memory, layout.mailSlot(rank, to, number), length);
            group.write(layout.sentLength(rank, to, number), total);
            group.publish(layout.sent(rank, to), number);
            at += length;
        } while (at < total);
    }

    @Override
    public void receive(MemorySegment bytes, int from) {
        checkOther(from);
        long total = bytes.byteSize();
        beginMessage(from, total);
        long at = 0;
        do {
            long number = ++received[from];
            await(from, layout.sent(from, rank), number, false);
            checkLength(from, group.read(layout.sentLength(from, rank, number)), total);
            long length = Math.min(SharedLayout.MAIL_BYTES, total - at);
            MemorySegment.copy(memory, layout.mailSlot(from, rank, number), bytes, at, length);
            group.publish(layout.received(from, rank), number);
            at += length;
        } while (at < total);
    }

    private void checkLength(int from, long sentBytes, long wanted) {
        if (sentBytes != wanted) {
            throw fail(
                    from,
                    "rank %d sends %d bytes where rank %d receives %d bytes".formatted(from, sentBytes, rank, wanted));
        }
    }

    // Rounds

    private void begin(Operation operation, int root, long bytes) {
        checkUsable();
        current = call;
        call.begin(operation, root, bytes);
    }

    private void beginMessage(int from, long bytes) {
        checkUsable();
        current = message;
        message.begin(Operation.MESSAGE, from, bytes);
    }

    /** Comes to the next round with a piece. */
    private void offer(MemorySegment bytes, long at, long length) {
        round++;
        if (met < round - 1) {
            awaitOthers(round - 1);
        }
        if (length > 0) {
            MemorySegment.copy(bytes, at, memory, layout.slot(rank, round), length);
        }
        long mine = layout.call(rank, round);
        group.write(mine, call.what());
        group.write(mine + 8, call.bytes());
        group.write(mine + 16, call.history());
        group.publish(layout.rounds(rank), round);
    }

    private void awaitAll() {
        for (int other = 0; other < size; other++) {
            awaitRound(other, false);
        }
        met = round;
    }

    /** Waits until another rank has come to this round, with the same call. */
    private void awaitRound(int other, boolean idle) {
        await(other, layout.rounds(other), round, idle);
        long theirs = layout.call(other, round);
        long what = group.read(theirs);
        long bytes = group.read(theirs + 8);
        if (!call.sameAs(what, bytes, group.read(theirs + 16))) {
            throw fail(other, call.mismatch(other, what, bytes, rank));
        }
    }

    private void awaitOthers(long earlier) {
        for (int other = 0; other < size; other++) {
            await(other, layout.rounds(other), earlier, false);
        }
        met = earlier;
    }

    // Waiting

    private void await(int other, long word, long value, boolean idle) {
        if (group.read(word) < value) {
            awaitLong(other, word, value, idle);
        }
    }

    private void awaitLong(int other, long word, long value, boolean idle) {
        patience.begin(idle);
        boolean told = false;
        while (group.read(word) < value) {
            if (group.hasFailed()) {
                throw group.failure();
            }
            if (patience.pause() && group.read(word) < value) {
                group.publish(layout.waitsFor(rank), other + 1L);
                told = true;
                look(other, word, value, idle);
            }
        }
        if (told) {
            group.publish(layout.waitsFor(rank), 0);
        }
    }

    /** Fails where there is no hope that the other comes. What it did before it left or died still counts. */
    private void look(int other, long word, long value, boolean idle) {
        if (Thread.currentThread().isInterrupted()) {
            throw fail(rank, "rank %d was interrupted while it waited for rank %d".formatted(rank, other));
        }
        if (group.hasClosed(other) && group.read(word) < value) {
            throw fail(other, "rank %d has left the group; rank %d waits for it at %s".formatted(other, rank, current));
        }
        if (group.isDead(other) && group.read(word) < value) {
            throw fail(
                    other,
                    "rank %d (process %d) has died; rank %d waits for it at %s"
                            .formatted(other, group.process(other), rank, current));
        }
        if (!idle && patience.waitedNanos() > membership.limitNanos()) {
            int missing = awaitedInTheEnd(other);
            throw fail(
                    missing,
                    "rank %d (process %d) did not come within %d ms; rank %d waits for rank %d at %s"
                            .formatted(
                                    missing,
                                    group.process(missing),
                                    membership.limit().toMillis(),
                                    rank,
                                    other,
                                    current));
        }
    }

    /** Whom the rank waits for that is waited for, and so on: a rank that waits itself is not to blame. */
    private int awaitedInTheEnd(int other) {
        int last = other;
        for (int steps = 0; steps < size; steps++) {
            int next = (int) group.read(layout.waitsFor(last)) - 1;
            if (next < 0) {
                return last;
            }
            last = next;
        }
        return other; // in a circle: the calls do not fit each other
    }

    // Ends

    private CollectiveException fail(int missing, String reason) {
        group.fail(missing, reason);
        return group.failure();
    }

    private void checkUsable() {
        if (closed) {
            throw new IllegalStateException("rank %d has left group %s".formatted(rank, membership.group()));
        }
        if (group.hasFailed()) {
            throw group.failure();
        }
    }

    private void checkOther(int other) {
        Objects.checkIndex(other, size);
        if (other == rank) {
            throw new IllegalArgumentException("rank %d cannot send to itself".formatted(rank));
        }
    }

    @Override
    public void abort(String reason) {
        ending.lock();
        try {
            if (!closed) {
                group.fail(rank, "rank %d gave up: %s".formatted(rank, reason));
            }
        } finally {
            ending.unlock();
        }
    }

    @Override
    public void close() {
        ending.lock();
        try {
            if (!closed) {
                closed = true;
                group.leave(rank);
                group.close();
            }
        } finally {
            ending.unlock();
        }
    }
}
