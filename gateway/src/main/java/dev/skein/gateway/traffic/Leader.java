package dev.skein.gateway.traffic;

import dev.skein.protocol.v1.Group;
import dev.skein.protocol.v1.Rank;
import io.vertx.core.net.SocketAddress;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;

/**
 * The rank 0 of a group, as long as it is the same process: a restarted leader is another one. Compared by identity.
 */
public final class Leader {
    private static final AtomicLong TURN = new AtomicLong();

    private final String group;
    private final String deployment;
    private final String line;
    private final Prefix.Memory memory = new Prefix.Memory();
    // Written when it is chosen, read when others are compared with it.
    private final AtomicLong lastTaken = new AtomicLong();
    private final SocketAddress address;
    private final String token;
    // What each call in hand does when nobody hears of the leader any more. Changed on the calls' event loops, run on
    // the fleet's context.
    private final Set<Runnable> inHand = ConcurrentHashMap.newKeySet();
    // Tokens to do, written by the event loops that send to it, read by all of them when they choose.
    private final AtomicLong prompts = new AtomicLong();
    private final AtomicLong answers = new AtomicLong();
    private final PromptRate rate = new PromptRate();

    Leader(Group group, Rank rank) {
        this.group = group.getName();
        this.deployment = group.getDeployment();
        this.line = line(group);
        this.address = SocketAddress.inetSocketAddress(rank.getPort(), rank.getHost());
        this.token = rank.getToken();
    }

    public String group() {
        return group;
    }

    public String deployment() {
        return deployment;
    }

    /** The same for all groups of one deployment and revision: they serve the same. */
    public String line() {
        return line;
    }

    /** The line that a group belongs to. */
    public static String line(Group group) {
        return group.getDeployment() + "@" + group.getRevisionKey();
    }

    Routing.Candidate candidate(Prefix prefix, boolean failed) {
        return new Routing.Candidate(
                prompts.get() + answers.get(),
                memory.seen(prefix),
                lastTaken.get(),
                failed,
                rate.sums(System.nanoTime()));
    }

    /** It is given a request. */
    void chosen(Prefix prefix) {
        memory.note(prefix);
        lastTaken.set(TURN.incrementAndGet());
    }

    public SocketAddress address() {
        return address;
    }

    /** Value of the authorization metadata. */
    String authorization() {
        return "Bearer " + token;
    }

    /** Tokens of this prompt that it has not seen lately. */
    long unseen(Prefix prefix) {
        return prefix.tokens() - memory.seen(prefix);
    }

    /** There is something to do, where something else was to be done before. */
    void take(Work work, Work before) {
        prompts.addAndGet(work.prompt() - before.prompt());
        answers.addAndGet(work.answer() - before.answer());
    }

    /** Tokens of prompts that it has to compute. */
    long ahead() {
        return prompts.get();
    }

    /** So many tokens of prompts took it so long. */
    void computed(long ahead, long nanos) {
        rate.note(ahead, nanos, System.nanoTime());
    }

    /** It has a call in hand, which {@code forsaken} tells that the leader is gone without a word. */
    void takeInHand(Runnable forsaken) {
        inHand.add(forsaken);
    }

    void handOver(Runnable forsaken) {
        inHand.remove(forsaken);
    }

    boolean hasInHand() {
        return !inHand.isEmpty();
    }

    void forsake() {
        inHand.forEach(Runnable::run);
    }

    boolean isTheProcessOf(Leader other) {
        return address.equals(other.address) && token.equals(other.token);
    }

    boolean is(Rank rank) {
        return rank.getPort() == address.port()
                && rank.getHost().equals(address.host())
                && rank.getToken().equals(token);
    }

    @Override
    public String toString() {
        return group + "@" + address;
    }
}
