package dev.skein.gateway;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The bearer tokens that open the API. Only their hashes are kept, and comparing takes the same time whatever is
 * offered: hashes have one length, and every key is compared each time.
 */
final class ApiKeys {
    private static final String SCHEME = "bearer ";

    private final List<byte[]> hashes;

    ApiKeys(List<String> keys) {
        hashes = keys.stream().map(ApiKeys::hash).toList();
    }

    /** @param authorization the header's value */
    boolean allow(@Nullable String authorization) {
        if (hashes.isEmpty()) {
            return true;
        }
        if (authorization == null || !authorization.regionMatches(true, 0, SCHEME, 0, SCHEME.length())) {
            return false;
        }
        byte[] offered = hash(authorization.substring(SCHEME.length()));
        boolean right = false;
        for (byte[] hash : hashes) {
            right |= MessageDigest.isEqual(hash, offered);
        }
        return right;
    }

    private static byte[] hash(String key) {
        try {
            return MessageDigest.getInstance("SHA-256").digest(key.getBytes(UTF_8));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }
}
