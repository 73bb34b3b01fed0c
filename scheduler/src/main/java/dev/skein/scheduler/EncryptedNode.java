package dev.skein.scheduler;

import com.hazelcast.config.Config;
import com.hazelcast.config.SocketInterceptorConfig;
import com.hazelcast.instance.EndpointQualifier;
import com.hazelcast.instance.impl.DefaultNodeContext;
import com.hazelcast.instance.impl.DefaultNodeExtension;
import com.hazelcast.instance.impl.Node;
import com.hazelcast.instance.impl.NodeExtension;
import com.hazelcast.internal.networking.Channel;
import com.hazelcast.internal.networking.ChannelInitializer;
import com.hazelcast.internal.server.ServerContext;
import com.hazelcast.nio.MemberSocketInterceptor;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.UnknownHostException;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.WeakHashMap;
import java.util.function.Function;
import javax.net.ssl.SSLContext;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A Hazelcast node whose connections are encrypted, with certificates on both sides.
///
/// Hazelcast's open-source edition has no TLS, but has the seams by which the other edition adds it: an interceptor
/// gets each new socket before Hazelcast speaks over it, and shakes hands there; the channel that is made of the
/// socket begins and ends with handlers that decrypt and encrypt. No socket becomes a channel without a handshake.
/// The seams are not promised to stay; the version is pinned and a test guards them.
final class EncryptedNode extends DefaultNodeContext {
    private static final Logger log = LoggerFactory.getLogger(EncryptedNode.class);

    private final SSLContext context;
    private final List<String> members;
    private final Door door = new Door();

    /// @param members HOST:PORT of all, as certificates name the hosts
    EncryptedNode(SSLContext context, List<String> members) {
        this.context = context;
        this.members = List.copyOf(members);
    }

    /// Without this a node of the configuration would not ask the interceptor.
    static void prepare(Config config) {
        config.getNetworkConfig().setSocketInterceptorConfig(new SocketInterceptorConfig().setEnabled(true));
    }

    @Override
    public NodeExtension createNodeExtension(Node node) {
        return new Extension(node, door);
    }

    private static final class Extension extends DefaultNodeExtension {
        private final Door door;

        Extension(Node node, Door door) {
            super(node);
            this.door = door;
        }

        @Override
        public MemberSocketInterceptor getSocketInterceptor(EndpointQualifier qualifier) {
            return door;
        }

        @Override
        public Function<EndpointQualifier, ChannelInitializer> createChannelInitializerFn(ServerContext server) {
            Function<EndpointQualifier, ChannelInitializer> plain = super.createChannelInitializerFn(server);
            return qualifier -> {
                ChannelInitializer inner = plain.apply(qualifier);
                return channel -> door.make(channel, inner);
            };
        }
    }

    /// What every connection goes through.
    private final class Door implements MemberSocketInterceptor {
        /// Sockets that are no channels yet. One that is given up before is forgotten with its socket.
        private final Map<Socket, EncryptedLink> links = Collections.synchronizedMap(new WeakHashMap<>());

        @Override
        public void init(Properties none) {}

        @Override
        public void onAccept(Socket socket) throws IOException {
            meet(socket, EncryptedLink.accepting(context));
        }

        @Override
        public void onConnect(Socket socket) throws IOException {
            meet(socket, EncryptedLink.connecting(context, host(socket)));
        }

        private void meet(Socket socket, EncryptedLink link) throws IOException {
            try {
                link.shakeHands(socket);
            } catch (IOException e) {
                log.warn("no TLS with the member at {}: {}", socket.getRemoteSocketAddress(), e.toString());
                throw e;
            }
            links.put(socket, link);
        }

        private void make(Channel channel, ChannelInitializer inner) throws Exception {
            EncryptedLink link = links.remove(channel.socket());
            if (link == null) {
                throw new IOException("no TLS with " + channel.remoteSocketAddress());
            }
            channel.inboundPipeline().addLast(link.decoder());
            inner.initChannel(channel);
            channel.outboundPipeline().addLast(link.encoder());
        }
    }

    /// Hazelcast dials what a name stood for; the certificate has the name.
    private String host(Socket socket) throws IOException {
        for (String member : members) {
            int colon = member.lastIndexOf(':');
            String host = member.substring(0, colon);
            if (Integer.parseInt(member.substring(colon + 1)) == socket.getPort()
                    && addresses(host).contains(socket.getInetAddress())) {
                return host;
            }
        }
        throw new IOException(socket.getRemoteSocketAddress() + " is no member of the cluster");
    }

    private static List<InetAddress> addresses(String host) {
        try {
            return List.of(InetAddress.getAllByName(host));
        } catch (UnknownHostException e) {
            return List.of();
        }
    }
}
