package dev.skein.protocol.tls;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// Where the certificates of a process are, as PEM.
///
/// @param authority of the cluster; may hold several, while one replaces another
/// @param certificate that the process shows, followed by those between it and the authority, if any
/// @param key of the certificate, as PKCS #8 and without a password
public record TlsFiles(Path authority, Path certificate, Path key) {
    /// Flags that name the files, as error messages call them.
    public static final String AUTHORITY = "--tls-ca";

    public static final String CERTIFICATE = "--tls-cert";
    public static final String KEY = "--tls-key";

    private static final String AUTHORITY_PROPERTY = "skein.tls.ca";
    private static final String CERTIFICATE_PROPERTY = "skein.tls.cert";
    private static final String KEY_PROPERTY = "skein.tls.key";

    /// All three, or empty for none.
    ///
    /// @throws IllegalArgumentException if some are named and others are not
    public static Optional<TlsFiles> of(
            @Nullable String authority, @Nullable String certificate, @Nullable String key) {
        if (authority != null && certificate != null && key != null) {
            return Optional.of(new TlsFiles(Path.of(authority), Path.of(certificate), Path.of(key)));
        }
        Map<String, @Nullable String> named = new LinkedHashMap<>();
        named.put(AUTHORITY, authority);
        named.put(CERTIFICATE, certificate);
        named.put(KEY, key);
        if (named.values().stream().anyMatch(file -> file != null)) {
            throw new IllegalArgumentException(flags(named, true) + " without " + flags(named, false)
                    + ": encryption needs all three, and none of them is no encryption");
        }
        return Optional.empty();
    }

    private static String flags(Map<String, @Nullable String> named, boolean given) {
        return named.entrySet().stream()
                .filter(each -> (each.getValue() != null) == given)
                .map(Map.Entry::getKey)
                .collect(Collectors.joining(" and "));
    }

    /// As a started Java machine's options, which [#ofProperties] reads there.
    public List<String> properties() {
        return List.of(
                property(AUTHORITY_PROPERTY, authority),
                property(CERTIFICATE_PROPERTY, certificate),
                property(KEY_PROPERTY, key));
    }

    private static String property(String name, Path file) {
        return "-D" + name + "=" + file.toAbsolutePath();
    }

    /// What the options of this Java machine say; empty if nothing.
    public static Optional<TlsFiles> ofProperties() {
        return of(
                System.getProperty(AUTHORITY_PROPERTY),
                System.getProperty(CERTIFICATE_PROPERTY),
                System.getProperty(KEY_PROPERTY));
    }
}
