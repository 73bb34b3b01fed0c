package dev.skein.gateway.traffic;

import dev.skein.protocol.v1.Rank;
import io.vertx.core.net.SocketAddress;
import java.util.concurrent.atomic.AtomicLong;

/**
 * The rank 0 of a group, as long as it is the same process: a restarted leader is another one. Compared by identity.
 */
public final class Leader {
    private final String group;
    private final SocketAddress address;
    private final String token;
    // Written by the event loops that send to it, read by all of them when they choose.
    private final AtomicLong outstanding = new AtomicLong();

    Leader(String group, Rank rank) {
        this.group = group;
        this.address = SocketAddress.inetSocketAddress(rank.getPort(), rank.getHost());
        this.token = rank.getToken();
    }

    public String group() {
        return group;
    }

    public SocketAddress address() {
        return address;
    }

    /** Value of the authorization metadata. */
    String authorization() {
        return "Bearer " + token;
    }

    long outstanding() {
        return outstanding.get();
    }

    void take(long cost) {
        outstanding.addAndGet(cost);
    }

    void give(long cost) {
        outstanding.addAndGet(-cost);
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
