package dev.skein.worker;

import dev.skein.compute.collective.Collective;
import dev.skein.compute.collective.CollectiveException;
import dev.skein.compute.collective.Collectives;
import dev.skein.compute.collective.Membership;
import dev.skein.protocol.tls.Encryption;
import dev.skein.protocol.v1.RankPlace;
import dev.skein.worker.engine.Circle;
import dev.skein.worker.engine.Links;
import dev.skein.worker.model.Shard;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * Where a rank meets those that it speaks with: in memory where all of a circle are on one host, else over TCP. It listens
 * as soon as it knows who is where, for each circle of several hosts in which others come to it, and until it has met them.
 * Who meets again does so elsewhere.
 */
final class MeetingPoint implements AutoCloseable {
    private final Shard shard;
    private final List<String> hosts;
    private final Encryption encryption;
    private final Map<String, ServerSocketChannel> doors = new LinkedHashMap<>();
    private final Map<String, Integer> ports = new LinkedHashMap<>();
    /** Guards what follows. */
    private final ReentrantLock calling = new ReentrantLock();

    private @Nullable Thread joining;
    private @Nullable Links met;
    private @Nullable String calledOff;

    /**
     * Listens.
     *
     * @param hosts of all ranks, in their order
     * @param address to listen on, if any are elsewhere
     * @param encryption of what is said over TCP
     * @throws IllegalArgumentException if this machine cannot listen there
     */
    MeetingPoint(Shard shard, List<String> hosts, String address, Encryption encryption) {
        this.shard = shard;
        this.hosts = List.copyOf(hosts);
        this.encryption = encryption;
        try {
            for (Circle circle : Links.circles(shard)) {
                ServerSocketChannel door = ServerSocketChannel.open();
                doors.put(circle.name(), door);
                if (isSpread(circle) && circle.place(shard.rank()) < circle.size() - 1) {
                    door.bind(new InetSocketAddress(address, 0));
                    ports.put(circle.name(), door.socket().getLocalPort());
                }
            }
        } catch (IOException | RuntimeException e) {
            close();
            throw new IllegalArgumentException(
                    "rank %d cannot listen on %s for ranks of other hosts: %s. %s names another address of its machine"
                            .formatted(shard.rank(), address, e, Host.ADDRESS),
                    e);
        }
    }

    private boolean isSpread(Circle circle) {
        return circle.ranks().stream().map(hosts::get).distinct().count() > 1;
    }

    /** Where it listens for each circle in which ranks of other hosts come to it. */
    Map<String, Integer> ports() {
        return Map.copyOf(ports);
    }

    /**
     * Meets all; once.
     *
     * @param session names this meeting of the group
     * @param limit for joining, and for every call
     * @param places of all ranks, in their order
     * @param leader the address at which the leader was found
     * @throws CollectiveException naming the rank that does not come in time, or saying why the meeting is called off
     */
    Links join(String session, String token, Duration limit, List<RankPlace> places, String leader) {
        begin();
        @Nullable Links joined = null;
        try {
            joined = joinAll(session, token, limit, places, leader);
        } catch (RuntimeException failed) {
            throw calledOff(failed);
        } finally {
            end(joined);
        }
        return joined;
    }

    private void begin() {
        calling.lock();
        try {
            if (calledOff != null) {
                throw new CollectiveException(shard.rank(), calledOff);
            }
            joining = Thread.currentThread();
        } finally {
            calling.unlock();
        }
    }

    private RuntimeException calledOff(RuntimeException failed) {
        calling.lock();
        try {
            return calledOff == null ? failed : new CollectiveException(shard.rank(), calledOff);
        } finally {
            calling.unlock();
        }
    }

    private void end(@Nullable Links joined) {
        calling.lock();
        try {
            joining = null;
            met = joined;
            if (calledOff != null) {
                // The interrupt was for this meeting.
                Thread.interrupted();
                abort(calledOff);
            }
        } finally {
            calling.unlock();
        }
    }

    /** Makes joining fail, or the links that came of it. From any thread, at any time. */
    void callOff(String reason) {
        calling.lock();
        try {
            if (calledOff == null) {
                calledOff = reason;
                abort(reason);
                if (joining != null) {
                    joining.interrupt();
                }
            }
        } finally {
            calling.unlock();
        }
    }

    private void abort(String reason) {
        if (met != null) {
            met.abort(reason);
        }
    }

    private Links joinAll(String session, String token, Duration limit, List<RankPlace> places, String leader) {
        return Links.join(
                shard,
                circle -> join(
                        circle,
                        new Membership(
                                session + "-" + circle.name(), token, circle.place(shard.rank()), circle.size(), limit),
                        places,
                        leader));
    }

    private Collective join(Circle circle, Membership membership, List<RankPlace> places, String leader) {
        ServerSocketChannel door = doors.get(circle.name());
        if (door == null) {
            throw new IllegalStateException("rank %d is not in %s".formatted(shard.rank(), circle));
        }
        return Collectives.join(
                membership,
                door,
                circle.ranks().stream()
                        .map(rank -> place(rank, circle, places.get(rank), leader))
                        .toList(),
                encryption.context());
    }

    private Collectives.Place place(int rank, Circle circle, RankPlace place, String leader) {
        String address = place.getAddress().isEmpty() ? leader : place.getAddress();
        return new Collectives.Place(
                hosts.get(rank),
                InetSocketAddress.createUnresolved(address, place.getPortsOrDefault(circle.name(), 0)));
    }

    /** Stops listening for who has not come. */
    @Override
    public void close() {
        try {
            for (ServerSocketChannel door : doors.values()) {
                door.close();
            }
        } catch (IOException e) {
            throw new UncheckedIOException("rank %d cannot stop listening".formatted(shard.rank()), e);
        }
    }
}
