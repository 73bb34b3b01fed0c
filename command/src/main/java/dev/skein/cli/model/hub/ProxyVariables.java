package dev.skein.cli.model.hub;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.ProxySelector;
import java.net.SocketAddress;
import java.net.URI;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Takes proxies from where other programs take them and Java does not: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and
/// `NO_PROXY`, in large or small letters. Without them Java's own choice holds. This machine is never asked through
/// one.
final class ProxyVariables extends ProxySelector {
    private static final int USUAL_PORT = 80;

    private final Map<String, String> environment;

    ProxyVariables(Map<String, String> environment) {
        this.environment = environment;
    }

    @Override
    public List<Proxy> select(URI uri) {
        String given = variable(uri.getScheme() + "_proxy");
        Proxy proxy = proxy(given.isEmpty() ? variable("all_proxy") : given);
        if (proxy == null) {
            ProxySelector usual = ProxySelector.getDefault();
            return usual == null ? List.of(Proxy.NO_PROXY) : usual.select(uri);
        }
        return List.of(excepted(uri.getHost()) ? Proxy.NO_PROXY : proxy);
    }

    private String variable(String name) {
        return Stream.of(name, name.toUpperCase(Locale.ROOT))
                .map(each -> environment.getOrDefault(each, "").strip())
                .filter(text -> !text.isEmpty())
                .findFirst()
                .orElse("");
    }

    /// Names with or without a dot before them, and all that end in them; a star for all.
    private boolean excepted(String host) {
        return isLoopback(host)
                || Arrays.stream(variable("no_proxy").split(","))
                        .map(name -> name.strip().replaceFirst("^\\.", ""))
                        .filter(name -> !name.isEmpty())
                        .anyMatch(name -> name.equals("*") || host.equalsIgnoreCase(name) || endsIn(host, "." + name));
    }

    private static boolean isLoopback(String host) {
        return host.equalsIgnoreCase("localhost") || host.matches("127(\\.\\d+){3}") || host.equals("[::1]");
    }

    private static boolean endsIn(String host, String end) {
        return host.toLowerCase(Locale.ROOT).endsWith(end.toLowerCase(Locale.ROOT));
    }

    private static @Nullable Proxy proxy(String text) {
        try {
            URI address = URI.create(text.contains("://") ? text : "http://" + text);
            return address.getHost() == null
                    ? null
                    : new Proxy(
                            Proxy.Type.HTTP,
                            InetSocketAddress.createUnresolved(
                                    address.getHost(), address.getPort() < 0 ? USUAL_PORT : address.getPort()));
        } catch (IllegalArgumentException e) {
            return null;
        }
    }

    @Override
    public void connectFailed(URI uri, SocketAddress address, IOException why) {
        // The caller hears of it.
    }
}
