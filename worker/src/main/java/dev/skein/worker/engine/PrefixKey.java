package dev.skein.worker.engine;

/**
 * Names what a full cache block holds: its ids and all ids before them. Two blocks with the same key hold the same keys
 * and values, bit for bit.
 *
 * <p>128 bits of SHA-256: a client can choose its ids so that cheaper hashes collide, and would then read another's text.
 */
record PrefixKey(long high, long low) {}
