package dev.skein.scheduler;

import dev.skein.scheduler.lifecycle.Event;
import dev.skein.scheduler.lifecycle.GroupSpec;
import dev.skein.scheduler.rollout.Needs;
import java.io.IOException;
import java.security.SecureRandom;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// Runs ranks as child processes of this process, on this machine. [#close] ends them all.
public final class LocalSubstrate implements Substrate, AutoCloseable {
    private static final String HOST = "127.0.0.1";
    /// Tells whoever looks at the environment of a process which rank it is, as GROUP/RANK.
    private static final String NAME = "SKEIN_RANK";

    private static final int TOKEN_BYTES = 32;

    private final String host;
    private final List<String> command;
    private final LongSupplier freeBytes;
    private final long began;
    private final Consumer<String> log;
    private final SecureRandom random = new SecureRandom();
    private final Map<Key, LocalProcess> processes = new ConcurrentHashMap<>();

    private final Map<String, Leader> leaders = new ConcurrentHashMap<>();

    private record Key(String group, int rank, long incarnation) {}

    /// Where a group's other ranks go.
    ///
    /// @param token that calls to it must carry
    /// @param address HOST:PORT
    public record Leader(String token, String address) {
        /// The secret stays out of logs.
        @Override
        public String toString() {
            return address;
        }
    }

    /// @param command starts a process that reads a [RankOrder] and writes [RankReport]s
    /// @param began when the first processes were asked for, in milliseconds since 1970; 0 for when they are
    /// @param freeBytes the memory that this machine has left
    /// @param log takes each line that a child logs, from any thread
    public LocalSubstrate(List<String> command, long began, LongSupplier freeBytes, Consumer<String> log) {
        this(HOST, command, began, freeBytes, log);
    }

    /// @param host the address of this machine that its ranks listen on
    public LocalSubstrate(String host, List<String> command, long began, LongSupplier freeBytes, Consumer<String> log) {
        this.host = host;
        this.freeBytes = freeBytes;
        this.command = List.copyOf(command);
        this.began = began;
        this.log = log;
    }

    @Override
    public Place place(GroupSpec spec, Needs needs, Needs others) {
        Room room = new Room(Runtime.getRuntime().availableProcessors(), freeBytes.getAsLong());
        return room.place(host, spec.size(), needs, others);
    }

    @Override
    public void start(GroupSpec spec, int rank, long incarnation, Consumer<Event> events) {
        start(spec, rank, incarnation, leaders.get(spec.name()), Map.of(), events);
    }

    /// Starts a rank whose leader may be on another machine.
    ///
    /// @param leader null for the leader itself
    /// @param variables of its environment, beside those of this process
    public void start(
            GroupSpec spec,
            int rank,
            long incarnation,
            @Nullable Leader leader,
            Map<String, String> variables,
            Consumer<Event> events) {
        Key key = new Key(spec.name(), rank, incarnation);
        RankOrder order = order(spec, rank, incarnation, leader);
        try {
            ProcessBuilder builder = new ProcessBuilder(command);
            builder.environment().putAll(variables);
            builder.environment().put(NAME, spec.name() + "/" + rank);
            Process process = builder.start();
            events.accept(new Event.Spawned(rank, incarnation, process.pid(), order.token()));
            LocalProcess child = new LocalProcess(process, rank, incarnation, log, event -> {
                if (event instanceof Event.Exited) {
                    processes.remove(key);
                } else if (event instanceof Event.Listening(int index, long _, int port) && index == 0) {
                    leaders.put(spec.name(), new Leader(order.token(), host + ":" + port));
                }
                events.accept(event);
            });
            processes.put(key, child);
            child.begin(order);
        } catch (IOException e) {
            events.accept(new Event.Exited(rank, incarnation, "cannot start a process: " + e.getMessage(), false));
        }
    }

    /// The leader gets the group's parameters; who follows it gets its address.
    private RankOrder order(GroupSpec spec, int rank, long incarnation, @Nullable Leader leader) {
        return rank == 0 || leader == null
                ? new RankOrder(spec.name(), rank, "", token(), asked(incarnation), spec.parameters())
                : new RankOrder(spec.name(), rank, leader.address(), leader.token(), asked(incarnation), "");
    }

    @Override
    public void drain(GroupSpec spec, int rank, long incarnation) {
        LocalProcess child = child(spec, rank, incarnation);
        if (child != null) {
            child.drain();
        }
    }

    @Override
    public void kill(GroupSpec spec, int rank, long incarnation) {
        LocalProcess child = child(spec, rank, incarnation);
        if (child != null) {
            child.kill();
        }
    }

    /// Ends all children at once.
    @Override
    public void close() {
        processes.values().forEach(LocalProcess::kill);
    }

    private @Nullable LocalProcess child(GroupSpec spec, int rank, long incarnation) {
        return processes.get(new Key(spec.name(), rank, incarnation));
    }

    private long asked(long incarnation) {
        return incarnation == 1 && began > 0 ? began : System.currentTimeMillis();
    }

    private String token() {
        byte[] bytes = new byte[TOKEN_BYTES];
        random.nextBytes(bytes);
        return HexFormat.of().formatHex(bytes);
    }
}
