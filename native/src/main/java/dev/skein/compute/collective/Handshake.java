package dev.skein.compute.collective;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.SecureRandom;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * What two ranks say before the first call, so that each knows that the other has the group's token and agrees on the group.
 * The token itself is not sent: each end proves that it has it by a hash over numbers that the other just drew.
 *
 * <pre>
 * accepting  -> magic, version, its number
 * connecting -> magic, version, rank, size, its number, hash of these, of both numbers and of the rank it means
 * accepting  -> answer, its size, hash of these and of both numbers
 * </pre>
 *
 * An accepting end reads nothing but this one message of fixed length before it knows the hash to be right.
 */
final class Handshake {
    /** Wrong hash, or no message of this protocol: the connection is to be closed without a word. */
    static final class Refused extends IOException {
        private static final long serialVersionUID = 1L;

        Refused(String why) {
            super(why);
        }
    }

    private static final long MAGIC = 0x534b434f4c4c4543L;
    private static final int VERSION = 1;
    private static final int NUMBER_BYTES = 32;
    private static final int HASH_BYTES = 32;
    private static final String ALGORITHM = "HmacSHA256";

    private static final int WELCOME = 0;
    private static final int OTHER_SIZE = 1;

    private final Membership membership;
    private final DataInputStream in;
    private final DataOutputStream out;
    private final byte[] number = new byte[NUMBER_BYTES];

    Handshake(Membership membership, DataInputStream in, DataOutputStream out) {
        this.membership = membership;
        this.in = in;
        this.out = out;
        new SecureRandom().nextBytes(number);
    }

    /**
     * Lets a rank in.
     *
     * @return its rank
     * @throws Refused if it does not know the token
     */
    int accept() throws IOException {
        sendGreeting();
        out.flush();
        int version = readGreeting();
        int rank = in.readInt();
        int size = in.readInt();
        byte[] theirs = in.readNBytes(NUMBER_BYTES);
        byte[] hash = in.readNBytes(HASH_BYTES);
        if (!MessageDigest.isEqual(hash, hash("connect", version, rank, size, membership.rank(), number, theirs))) {
            throw new Refused("it does not know the token of group %s".formatted(membership.group()));
        }
        int answer = size == membership.size() ? WELCOME : OTHER_SIZE;
        out.writeInt(answer);
        out.writeInt(membership.size());
        out.write(hash("accept", answer, membership.size(), membership.rank(), rank, theirs, number));
        out.flush();
        if (answer == OTHER_SIZE) {
            throw new Refused("rank %d knows of %d ranks, not %d".formatted(rank, size, membership.size()));
        }
        if (version != VERSION || rank <= membership.rank() || rank >= size) {
            throw new Refused("rank %d of version %d has no business here".formatted(rank, version));
        }
        return rank;
    }

    /**
     * Is let in by a rank.
     *
     * @throws EOFException if it hangs up before it says anything: it is not there yet, or not any more
     * @throws CollectiveException if it is there and not of this group
     */
    void connect(int to) throws IOException {
        int version = readGreeting();
        if (version != VERSION) {
            throw notOfThisGroup(to, "it speaks version %d, this rank %d".formatted(version, VERSION));
        }
        byte[] theirs = in.readNBytes(NUMBER_BYTES);
        sendGreeting(theirs, to);
        int answer;
        try {
            answer = in.readInt();
        } catch (EOFException e) {
            throw notOfThisGroup(to, "it hung up when it saw this rank's token");
        }
        int size = in.readInt();
        byte[] hash = in.readNBytes(HASH_BYTES);
        if (!MessageDigest.isEqual(hash, hash("accept", answer, size, to, membership.rank(), number, theirs))) {
            throw notOfThisGroup(to, "it does not know this rank's token");
        }
        if (answer != WELCOME) {
            throw notOfThisGroup(to, "it has %d ranks, this rank knows of %d".formatted(size, membership.size()));
        }
    }

    private void sendGreeting() throws IOException {
        out.writeLong(MAGIC);
        out.writeInt(VERSION);
        out.write(number);
    }

    private void sendGreeting(byte[] theirs, int to) throws IOException {
        out.writeLong(MAGIC);
        out.writeInt(VERSION);
        out.writeInt(membership.rank());
        out.writeInt(membership.size());
        out.write(number);
        out.write(hash("connect", VERSION, membership.rank(), membership.size(), to, theirs, number));
        out.flush();
    }

    private int readGreeting() throws IOException {
        if (in.readLong() != MAGIC) {
            throw new Refused("it speaks something else");
        }
        return in.readInt();
    }

    private byte[] hash(String role, int a, int b, int c, int d, byte[] first, byte[] second) {
        try {
            Mac mac = Mac.getInstance(ALGORITHM);
            mac.init(new SecretKeySpec(membership.token().getBytes(StandardCharsets.UTF_8), ALGORITHM));
            mac.update((role + ' ' + membership.group() + ' ').getBytes(StandardCharsets.UTF_8));
            mac.update(ByteBuffer.allocate(16)
                    .putInt(a)
                    .putInt(b)
                    .putInt(c)
                    .putInt(d)
                    .flip());
            mac.update(first);
            mac.update(second);
            return mac.doFinal();
        } catch (GeneralSecurityException e) {
            throw new AssertionError("every Java platform has " + ALGORITHM, e);
        }
    }

    private static CollectiveException notOfThisGroup(int rank, String why) {
        return new CollectiveException(rank, "rank %d is not of this group: %s".formatted(rank, why));
    }
}
