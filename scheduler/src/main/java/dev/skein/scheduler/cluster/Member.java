package dev.skein.scheduler.cluster;

import dev.skein.protocol.tls.Encryption;
import dev.skein.scheduler.LocalSubstrate;
import dev.skein.scheduler.agent.Machine;
import dev.skein.scheduler.agent.Times;
import io.vertx.core.Vertx;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/// One machine of a cluster: its agent, which runs ranks; its [Door], which answers whoever calls; and, where the
/// machine is one of those that vote, its [Voter].
public final class Member implements AutoCloseable {
    private static final long LOOK_MILLIS = 200;

    private final LocalSubstrate local;
    private final Agent agent;
    private final Door door;
    private final Optional<Voter> voter;

    /// @param machine named HOST:PORT, where it listens; the port after it is Hazelcast's
    /// @param voters machines of which more than half must answer for anything to be decided; each may decide
    /// @param followers machines that only run ranks
    /// @param token that every call carries
    /// @param encryption of all that machines say to each other, with a certificate for this one's host
    /// @param file keeps what this machine has promised
    public record Options(
            Machine machine,
            List<String> voters,
            List<String> followers,
            String token,
            Encryption encryption,
            Path file,
            Times times) {
        public Options {
            voters = List.copyOf(voters);
            followers = List.copyOf(followers);
        }

        /// A word that the command lines of this machine's ranks hold, and no others.
        public String mark() {
            return "-Dskein.machine=" + machine.name();
        }

        public boolean votes() {
            return voters.contains(machine.name());
        }

        String host() {
            return host(machine.name());
        }

        int port() {
            return port(machine.name());
        }

        /// The secret stays out of logs.
        @Override
        public String toString() {
            return machine + " of " + voters + " and " + followers;
        }

        Path wishes() {
            return file.resolveSibling(file.getFileName() + ".wanted");
        }

        static String host(String machine) {
            return machine.substring(0, machine.lastIndexOf(':'));
        }

        static int port(String machine) {
            return Integer.parseInt(machine.substring(machine.lastIndexOf(':') + 1));
        }

        /// Where Hazelcast's members listen.
        List<String> stores() {
            return voters.stream()
                    .map(machine -> host(machine) + ":" + (port(machine) + 1))
                    .toList();
        }
    }

    private Member(Vertx vertx, Options options, LocalSubstrate local) {
        this.local = local;
        Leftovers.end(Path.of("/proc"), options.mark());
        this.agent = new Agent(options.machine(), options.times(), options.file(), local);
        this.door = new Door(vertx, options);
        new AgentServer(vertx, agent, options.machine().name()).bind(door.own());
        this.voter = options.votes() ? Optional.of(new Voter(vertx, options, door)) : Optional.empty();
    }

    /// Joins the cluster and listens; returns when it does.
    ///
    /// @param local runs this machine's ranks; closed with the member
    /// @throws RuntimeException if it cannot
    public static Member start(Vertx vertx, Options options, LocalSubstrate local) {
        Member member = new Member(vertx, options, local);
        member.door.open(vertx);
        vertx.setPeriodic(LOOK_MILLIS, timer -> member.look(options.machine().name()));
        member.voter.ifPresent(Voter::open);
        return member;
    }

    /// A driver's name begins with its machine's.
    private void look(String here) {
        agent.driver().thenAccept(name -> {
            String machine = Stream.of(name.split("#")).findFirst().orElse("");
            door.heard(machine);
            voter.ifPresent(each -> each.look(!machine.isEmpty() && !machine.equals(here)));
        });
    }

    /// Ends this machine's ranks at once and leaves the cluster.
    @Override
    public void close() {
        voter.ifPresent(Voter::close);
        agent.close();
        local.close();
    }
}
