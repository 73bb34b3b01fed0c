package dev.skein.compute.collective;

import java.lang.foreign.MemorySegment;
import java.time.Duration;

/**
 * Some ranks that compute one model together. Each holds one end; the n-th call on one end meets the n-th call on every
 * other, which must be the same call with the same sizes.
 *
 * <p>Results have the same bits on every rank and in every run: sums are made in the order of ranks. No call allocates.
 * One thread makes all calls on an end; {@link #abort} may come from any.
 *
 * <p>Every call throws {@link CollectiveException} when another rank does not come within the time that the collective
 * was made with, has gone, or asks for something else.
 */
public interface Collective extends AutoCloseable {

    /** Which of {@link #size} this end is. */
    int rank();

    int size();

    /** How long a call waits for another rank. */
    Duration limit();

    /**
     * Says whether another rank is known to be gone or the collective has failed, for who waits for the others somewhere else.
     * Waits for nobody, and changes nothing: what a rank said before it left can still be heard.
     *
     * @throws CollectiveException if so
     */
    void check();

    /** {@code floats[i] = sum of floats[i] over all ranks}, rank 0's first: 32-bit floats, rounded after each addition. */
    void allReduce(MemorySegment floats, long count);

    /**
     * Every rank's part on every rank, in the order of ranks. Parts may differ in length.
     *
     * @param part this rank's
     * @param lengths bytes of each rank's part
     * @param all room for all parts, one after the other; may be where {@code part} lies already
     */
    void allGather(MemorySegment part, long[] lengths, MemorySegment all);

    /** The root's bytes on every rank. */
    void broadcast(MemorySegment bytes, int root);

    /**
     * As {@link #broadcast} from another rank, and meets its {@code broadcast}, but for a rank that has nothing to do until
     * then: waits without a time limit, at the cost of a hundredth of a core. A root that was heard of some milliseconds ago is
     * noticed within microseconds where cores are free, one that was silent for long within 5 milliseconds.
     */
    void awaitBroadcast(MemorySegment bytes, int root);

    /**
     * To one rank, which {@link #receive}s as many bytes. Returns when the memory may be changed again, which may be when the
     * other has received it. Only these two ranks make the call; between two ranks, messages and calls of all ranks keep
     * their order.
     */
    void send(MemorySegment bytes, int to);

    /** Fills the memory with what a rank {@link #send}s. */
    void receive(MemorySegment bytes, int from);

    /** Returns when all ranks have come here. */
    void barrier();

    /** Makes a call that waits on this end, and every later one, fail at once with the reason; also on the others. */
    void abort(String reason);

    /** Leaves the group: the next call of another rank that needs this one fails. Closing twice changes nothing. */
    @Override
    void close();
}
