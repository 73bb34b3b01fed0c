package dev.skein.cli.control;

import dev.skein.cli.CommandException;
import dev.skein.cli.model.SkeinHome;
import dev.skein.cli.settings.TlsSettings;
import dev.skein.protocol.tls.Encryption;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;

/// Which scheduler a command speaks to: that of a server of this machine, or any member of a cluster.
public final class Target {
    private static final int LAST_PORT = 65_535;

    @CommandLine.Option(
            names = "--server",
            paramLabel = "PORT",
            description = "the server's port; default: the only one that runs")
    private @Nullable Integer server;

    @CommandLine.Option(
            names = "--scheduler",
            paramLabel = "HOST:PORT",
            description = "any member of a cluster, in place of a server of this machine")
    private @Nullable String scheduler;

    @CommandLine.Option(names = "--token-file", paramLabel = "FILE", description = "holds the cluster's token")
    private @Nullable Path tokenFile;

    @CommandLine.Mixin
    private final TlsFlags tls = new TlsFlags();

    /// Where a scheduler answers, and how.
    public record Found(String host, int port, String token, Encryption encryption) {
        /// The secret stays out of logs.
        @Override
        public String toString() {
            return host + ":" + port;
        }
    }

    /// @throws CommandException if there is none
    public Found find() {
        if (scheduler == null) {
            ServerFile file = ServerFile.find(SkeinHome.of(System.getenv()), server);
            return new Found("127.0.0.1", file.schedulerPort(), file.token(), Encryption.NONE);
        }
        if (tokenFile == null) {
            throw CommandException.usage("--scheduler needs --token-file, the file with the cluster's token");
        }
        int colon = checked("--scheduler", scheduler).lastIndexOf(':');
        return new Found(
                scheduler.substring(0, colon),
                Integer.parseInt(scheduler.substring(colon + 1)),
                token(tokenFile),
                TlsSettings.read(tls.files().orElse(null)));
    }

    /// HOST:PORT as it was given.
    ///
    /// @throws CommandException with exit code 2 for anything else
    public static String checked(String flag, String address) {
        if (address.matches("[^\\s:]+:[0-9]{1,5}")
                && Integer.parseInt(address.substring(address.indexOf(':') + 1)) <= LAST_PORT) {
            return address;
        }
        throw CommandException.usage(flag + " is '" + address + "'; write HOST:PORT, such as 10.0.0.1:7070");
    }

    /// @throws CommandException if the file holds no token
    public static String token(Path file) {
        try {
            String token = Files.readString(file).strip();
            if (token.matches("\\S{16,}")) {
                return token;
            }
            throw CommandException.usage(
                    file + " holds no token: one word of at least 16 letters, such as 'openssl rand -hex 32' writes");
        } catch (IOException e) {
            throw CommandException.usage("cannot read --token-file " + file + ": " + e.getMessage());
        }
    }
}
