package dev.skein.cli.control;

import dev.skein.cli.settings.TlsSettings;
import dev.skein.protocol.tls.TlsFiles;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;

/// The flags of [TlsSettings], for commands that picocli reads.
public final class TlsFlags {
    @CommandLine.Option(
            names = TlsFiles.AUTHORITY,
            paramLabel = "FILE",
            description = "PEM file of the cluster's authority: only who shows a certificate of it is spoken with;"
                    + " default $SKEIN_TLS_CA, else nothing is encrypted")
    private @Nullable String authority;

    @CommandLine.Option(
            names = TlsFiles.CERTIFICATE,
            paramLabel = "FILE",
            description = "PEM file of this machine's certificate, as skein cert makes it; default $SKEIN_TLS_CERT")
    private @Nullable String certificate;

    @CommandLine.Option(
            names = TlsFiles.KEY,
            paramLabel = "FILE",
            description = "PEM file of the certificate's private key; default $SKEIN_TLS_KEY")
    private @Nullable String key;

    /// What was given; empty for nothing.
    ///
    /// @throws dev.skein.cli.CommandException if some of the files are named and others are not
    public Optional<TlsFiles> files() {
        return TlsSettings.of(authority, certificate, key, System.getenv());
    }
}
