package dev.skein.compute.collective;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.util.List;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;

/**
 * Chooses how ranks meet: over shared memory when all are on one host, over TCP between all when any is not. Results are the
 * same bits either way.
 *
 * <p>A group over several hosts does not use shared memory for those that are on the same one: its slowest pair decides how
 * long a call takes, and ranks that sum often are placed on one host.
 */
public final class Collectives {
    /**
     * Where a rank is.
     *
     * @param host the same for ranks that share memory: the same system, user and {@code /dev/shm}
     * @param address where it listens
     */
    public record Place(String host, InetSocketAddress address) {}

    private Collectives() {}

    /**
     * Meets the others.
     *
     * @param listening bound to this rank's address; closed in any case
     * @param places of all ranks, in their order; the same list for every rank
     * @throws CollectiveException if a rank does not come in time, or is of another group
     */
    public static Collective join(Membership membership, ServerSocketChannel listening, List<Place> places) {
        return join(membership, listening, places, null);
    }

    /**
     * As the other, with encryption between hosts.
     *
     * @param tls as {@link TcpCollective#join(Membership, ServerSocketChannel, List, SSLContext)} has it
     */
    public static Collective join(
            Membership membership, ServerSocketChannel listening, List<Place> places, @Nullable SSLContext tls) {
        if (places.size() != membership.size()) {
            throw new IllegalArgumentException("%d places for %d ranks".formatted(places.size(), membership.size()));
        }
        if (places.stream().map(Place::host).distinct().count() > 1) {
            return TcpCollective.join(
                    membership, listening, places.stream().map(Place::address).toList(), tls);
        }
        try (listening) {
            return SharedMemoryCollective.join(membership);
        } catch (IOException e) {
            throw new UncheckedIOException("%s cannot stop listening".formatted(membership), e);
        }
    }
}
