package dev.skein.cli.settings;

import dev.skein.cli.CommandException;
import dev.skein.protocol.tls.Encryption;
import dev.skein.protocol.tls.TlsFiles;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The three files that encrypt what leaves a process of a cluster: of the command line, else of the environment, else,
/// where there is one, of the configuration file.
public final class TlsSettings {
    private static final Logger log = LoggerFactory.getLogger(TlsSettings.class);

    private static final Setting<String> AUTHORITY =
            file("tls-ca", "PEM file of the cluster's authority: only who shows a certificate of it is spoken with");
    private static final Setting<String> CERTIFICATE = file("tls-cert", "PEM file of this machine's certificate");
    private static final Setting<String> KEY = file("tls-key", "PEM file of the certificate's private key");

    /// For a command that reads settings.
    public static final List<Setting<?>> ALL = List.of(AUTHORITY, CERTIFICATE, KEY);

    private TlsSettings() {}

    private static Setting<String> file(String name, String help) {
        return Setting.text(Setting.Section.ACCESS, name, "FILE", null, help);
    }

    /// @throws CommandException if some of the files are named and others are not
    public static Optional<TlsFiles> of(Settings settings) {
        return files(
                settings.find(AUTHORITY).orElse(null),
                settings.find(CERTIFICATE).orElse(null),
                settings.find(KEY).orElse(null));
    }

    /// For a command whose flags something else has read; null is none.
    ///
    /// @throws CommandException if some of the files are named and others are not
    public static Optional<TlsFiles> of(
            @Nullable String authority,
            @Nullable String certificate,
            @Nullable String key,
            Map<String, String> environment) {
        return files(
                authority == null ? environment.get(AUTHORITY.variable()) : authority,
                certificate == null ? environment.get(CERTIFICATE.variable()) : certificate,
                key == null ? environment.get(KEY.variable()) : key);
    }

    private static Optional<TlsFiles> files(
            @Nullable String authority, @Nullable String certificate, @Nullable String key) {
        try {
            return TlsFiles.of(authority, certificate, key);
        } catch (IllegalArgumentException e) {
            throw CommandException.usage(e.getMessage());
        }
    }

    /// Reads the files; null is none.
    ///
    /// @throws CommandException if they do not do
    public static Encryption read(@Nullable TlsFiles files) {
        try {
            return files == null ? Encryption.NONE : Encryption.of(files);
        } catch (IllegalArgumentException e) {
            throw CommandException.usage(e.getMessage());
        }
    }

    /// One line where others can listen.
    ///
    /// @param addresses HOST:PORT of all that is spoken with
    public static void warnIfPlain(Encryption encryption, Collection<String> addresses) {
        if (!encryption.isOn() && !addresses.stream().allMatch(TlsSettings::isLoopback)) {
            log.warn("what the machines say to each other is not encrypted: skein cert makes what --tls-ca, --tls-cert"
                    + " and --tls-key want");
        }
    }

    private static boolean isLoopback(String address) {
        return Arrays.asList("localhost", "127").contains(address.split("[.:]", 2)[0]);
    }
}
