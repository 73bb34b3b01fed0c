package dev.skein.cli.model.hub;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;

/// What a file's content must hash to. Hubs give SHA-256 of large files (Git LFS) and git's own object id of small
/// ones.
///
/// @param hex in small letters
public record Checksum(Kind kind, String hex) {
    private static final Pattern HEX = Pattern.compile("[0-9a-f]+");

    /// How it is computed.
    public enum Kind {
        SHA256("SHA-256", 64),
        /// SHA-1 over `blob`, the size, a zero byte and the content.
        GIT("SHA-1", 40);

        private final String algorithm;
        private final int digits;

        Kind(String algorithm, int digits) {
            this.algorithm = algorithm;
            this.digits = digits;
        }
    }

    /// The hash that a text of hexadecimal digits is, told by its length; quotes and git's weak mark around it are
    /// dropped, as headers have them.
    static Optional<Checksum> of(String text) {
        String hex = text.replaceFirst("^W/", "").replace("\"", "").toLowerCase(Locale.ROOT);
        for (Kind kind : Kind.values()) {
            if (hex.length() == kind.digits && HEX.matcher(hex).matches()) {
                return Optional.of(new Checksum(kind, hex));
            }
        }
        return Optional.empty();
    }

    /// A digest to which only the content is still to be given.
    ///
    /// @param size of the content, in bytes
    MessageDigest digest(long size) {
        try {
            MessageDigest digest = MessageDigest.getInstance(kind.algorithm);
            if (kind == Kind.GIT) {
                digest.update(("blob " + size + "\0").getBytes(StandardCharsets.US_ASCII));
            }
            return digest;
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has " + kind.algorithm, e);
        }
    }
}
