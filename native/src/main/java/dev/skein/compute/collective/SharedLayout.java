package dev.skein.compute.collective;

/**
 * Where things lie in the file that ranks of one host share. What two ranks write never lies in the same pair of cache
 * lines, and what a waiting rank reads again and again lies in one.
 *
 * <pre>
 * 0       magic, version, size, hash of the token, whether the file has lost its name
 * 256     why the group failed: state, rank, length and bytes of the text
 * 1024    for each rank 16 bytes: state, process
 * 4096    for each rank 128 bytes: counter of rounds, call of even rounds, call of odd rounds, rank waited for
 * 12288   for each pair of ranks 256 bytes: counter of messages, lengths of even and odd ones; counter of those received
 * ...     for each rank two slots of {@link #SLOT_BYTES}
 * ...     for each pair two slots of {@link #MAIL_BYTES}
 * </pre>
 */
final class SharedLayout {
    static final long MAGIC = 0x31304c4f434e4b53L;
    static final int VERSION = 1;

    /** A piece of a long transfer: both slots of some ranks stay in a second-level cache, a piece outweighs its meeting. */
    static final long SLOT_BYTES = 256 << 10;
    /** As above, for messages between two; smaller, as there is a pair of slots for each pair of ranks. */
    static final long MAIL_BYTES = 64 << 10;

    static final long MAGIC_AT = 0;
    static final long VERSION_AT = 8;
    static final long SIZE_AT = 16;
    static final long TOKEN_AT = 32;
    static final int TOKEN_BYTES = 32;
    static final long UNNAMED_AT = 64;
    static final int HEADER_BYTES = 128;

    static final long FAILURE_AT = 256;
    static final long FAILED_RANK_AT = 264;
    static final long FAILURE_LENGTH_AT = 272;
    static final long FAILURE_TEXT_AT = 280;
    static final int FAILURE_TEXT_BYTES = 1024 - 280;

    private static final long MEMBERS_AT = 1024;
    private static final long MEMBER_BYTES = 16;
    private static final long CONTROLS_AT = 4096;
    private static final long CONTROL_BYTES = 128;
    private static final long MAILS_AT = CONTROLS_AT + Membership.MOST_RANKS * CONTROL_BYTES;
    private static final long MAIL_CONTROL_BYTES = 256;
    private static final long CALL_BYTES = 24;
    private static final long PAGE = 4096;

    private final int size;
    private final long slotsAt;
    private final long mailSlotsAt;

    SharedLayout(int size) {
        this.size = size;
        long mailsEnd = MAILS_AT + (long) size * size * MAIL_CONTROL_BYTES;
        slotsAt = Math.ceilDiv(mailsEnd, PAGE) * PAGE;
        mailSlotsAt = slotsAt + 2L * size * SLOT_BYTES;
    }

    long bytes() {
        return mailSlotsAt + 2 * MAIL_BYTES * size * size;
    }

    long state(int rank) {
        return MEMBERS_AT + rank * MEMBER_BYTES;
    }

    long process(int rank) {
        return state(rank) + 8;
    }

    /** How many rounds a rank has come to. */
    long rounds(int rank) {
        return CONTROLS_AT + rank * CONTROL_BYTES;
    }

    /** The call that a rank makes in a round: what, bytes, history. */
    long call(int rank, long round) {
        return rounds(rank) + 8 + (round & 1) * CALL_BYTES;
    }

    /** The rank that a rank has been waiting for since long, and 1; or 0. */
    long waitsFor(int rank) {
        return rounds(rank) + 56;
    }

    long slot(int rank, long round) {
        return slotsAt + (2L * rank + (round & 1)) * SLOT_BYTES;
    }

    long sent(int from, int to) {
        return MAILS_AT + ((long) from * size + to) * MAIL_CONTROL_BYTES;
    }

    long sentLength(int from, int to, long message) {
        return sent(from, to) + 8 + (message & 1) * 8;
    }

    long received(int from, int to) {
        return sent(from, to) + MAIL_CONTROL_BYTES / 2;
    }

    long mailSlot(int from, int to, long message) {
        return mailSlotsAt + (2L * ((long) from * size + to) + (message & 1)) * MAIL_BYTES;
    }
}
