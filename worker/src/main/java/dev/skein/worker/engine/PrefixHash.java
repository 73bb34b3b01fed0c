package dev.skein.worker.engine;

import dev.skein.compute.KvCache;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.DigestException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/**
 * Makes the chain of keys of a sequence's blocks: each from the key before it and the block's ids, the first from the
 * request's salt, so that requests of different salts share nothing. One thread.
 */
final class PrefixHash {
    private final MessageDigest digest;
    private final ByteBuffer text = ByteBuffer.allocate(2 * Long.BYTES + KvCache.BLOCK_SIZE * Integer.BYTES);
    private final byte[] result;

    PrefixHash() {
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException absent) {
            throw new IllegalStateException("every Java has SHA-256", absent);
        }
        result = new byte[digest.getDigestLength()];
    }

    /** What the first block's key is made from. */
    PrefixKey root(String salt) {
        digest.update(salt.getBytes(StandardCharsets.UTF_8));
        return key();
    }

    /** The key of the block whose ids begin at `from`. */
    PrefixKey next(PrefixKey parent, IntList ids, int from) {
        text.clear().putLong(parent.high()).putLong(parent.low());
        for (int i = 0; i < KvCache.BLOCK_SIZE; i++) {
            text.putInt(ids.get(from + i));
        }
        digest.update(text.array());
        return key();
    }

    private PrefixKey key() {
        try {
            digest.digest(result, 0, result.length);
        } catch (DigestException broken) {
            throw new IllegalStateException(broken);
        }
        ByteBuffer bytes = ByteBuffer.wrap(result);
        return new PrefixKey(bytes.getLong(), bytes.getLong());
    }
}
