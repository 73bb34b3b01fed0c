package dev.skein.scheduler;

import com.hazelcast.cluster.Address;
import com.hazelcast.instance.AddressPicker;
import com.hazelcast.instance.EndpointQualifier;
import com.hazelcast.instance.impl.DefaultNodeContext;
import com.hazelcast.instance.impl.Node;
import com.hazelcast.internal.cluster.Joiner;
import com.hazelcast.internal.nio.ConnectionListener;
import com.hazelcast.internal.nio.Packet;
import com.hazelcast.internal.server.NetworkStats;
import com.hazelcast.internal.server.Server;
import com.hazelcast.internal.server.ServerConnection;
import com.hazelcast.internal.server.ServerConnectionManager;
import com.hazelcast.internal.server.ServerContext;
import com.hazelcast.internal.server.tcp.LocalAddressRegistry;
import com.hazelcast.internal.server.tcp.ServerSocketRegistry;
import java.net.UnknownHostException;
import java.nio.channels.ServerSocketChannel;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.jspecify.annotations.NullUnmarked;

/// A Hazelcast node without a network: it binds no port, opens no socket and joins nobody.
///
/// Hazelcast has no switch for this: a member with every way of joining turned off still listens on a port. These are
/// its
/// own seams, used by its own tests, though not promised to stay; the version is pinned and a test guards them.
@NullUnmarked
final class OfflineNode extends DefaultNodeContext {

    @Override
    public AddressPicker createAddressPicker(Node node) {
        return new NoAddress();
    }

    @Override
    public Joiner createJoiner(Node node) {
        return null;
    }

    @Override
    public Server createServer(Node node, ServerSocketRegistry sockets, LocalAddressRegistry addresses) {
        return new NoServer();
    }

    /// A member has an address even where nobody can reach it.
    private static final class NoAddress implements AddressPicker {
        private final Address address = loopback();

        private static Address loopback() {
            try {
                return new Address("127.0.0.1", 1);
            } catch (UnknownHostException e) {
                throw new IllegalStateException("127.0.0.1 is not an address here", e);
            }
        }

        @Override
        public void pickAddress() {}

        @Override
        public Address getBindAddress(EndpointQualifier qualifier) {
            return address;
        }

        @Override
        public Address getPublicAddress(EndpointQualifier qualifier) {
            return address;
        }

        @Override
        public Map<EndpointQualifier, Address> getPublicAddressMap() {
            return Map.of(EndpointQualifier.MEMBER, address);
        }

        @Override
        public Map<EndpointQualifier, Address> getBindAddressMap() {
            return getPublicAddressMap();
        }

        @Override
        public ServerSocketChannel getServerSocketChannel(EndpointQualifier qualifier) {
            return null;
        }

        @Override
        public Map<EndpointQualifier, ServerSocketChannel> getServerSocketChannels() {
            return Map.of();
        }
    }

    private static final class NoServer implements Server {
        private final ServerConnectionManager connections = new NoConnections(this);
        private volatile boolean live;

        @Override
        public ServerContext getContext() {
            throw new UnsupportedOperationException("a member without a network has no server context");
        }

        @Override
        public ServerConnectionManager getConnectionManager(EndpointQualifier qualifier) {
            return connections;
        }

        @Override
        public Collection<ServerConnection> getConnections() {
            return List.of();
        }

        @Override
        public Map<EndpointQualifier, NetworkStats> getNetworkStats() {
            return Map.of();
        }

        @Override
        public void addConnectionListener(ConnectionListener<ServerConnection> listener) {}

        @Override
        public boolean isLive() {
            return live;
        }

        @Override
        public void start() {
            live = true;
        }

        @Override
        public void stop() {
            live = false;
        }

        @Override
        public void shutdown() {
            live = false;
        }
    }

    private record NoConnections(Server getServer) implements ServerConnectionManager {

        @Override
        public Collection<ServerConnection> getConnections() {
            return List.of();
        }

        @Override
        public boolean register(
                Address primary,
                Address target,
                Collection<Address> aliases,
                UUID member,
                ServerConnection connection,
                int plane) {
            return false;
        }

        @Override
        public ServerConnection get(Address address, int plane) {
            return null;
        }

        @Override
        public List<ServerConnection> getAllConnections(Address address) {
            return List.of();
        }

        @Override
        public ServerConnection getOrConnect(Address address, int plane) {
            return null;
        }

        @Override
        public ServerConnection getOrConnect(Address address, boolean silent, int plane) {
            return null;
        }

        @Override
        public boolean transmit(Packet packet, Address target, int plane) {
            return false;
        }

        @Override
        public NetworkStats getNetworkStats() {
            return null;
        }

        @Override
        public void addConnectionListener(ConnectionListener<ServerConnection> listener) {}

        @Override
        public void accept(Packet packet) {}
    }
}
