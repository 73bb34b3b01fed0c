package dev.skein.gateway;

import dev.skein.protocol.v1.GenerateRequest;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Draws the seeds of requests that bring none: here and not in the worker, so that another group can go on with an answer
 * where the first one was lost. The same start gives the same seeds in order. Thread-safe.
 */
final class Seeds {
    // The odd number next to 2^64 over the golden ratio: its multiples visit every long once.
    private static final long STRIDE = 0x9E37_79B9_7F4A_7C15L;

    private final AtomicLong state;

    Seeds(long start) {
        state = new AtomicLong(start);
    }

    /** With a seed, unless it has one or draws nothing by chance. */
    GenerateRequest seeded(GenerateRequest request) {
        if (request.getSampling().hasSeed() || request.getSampling().getTemperature() == 0) {
            return request;
        }
        GenerateRequest.Builder seeded = request.toBuilder();
        seeded.getSamplingBuilder().setSeed(next());
        return seeded.build();
    }

    private long next() {
        long mixed = state.addAndGet(STRIDE);
        mixed = (mixed ^ mixed >>> 30) * 0xBF58_476D_1CE4_E5B9L;
        mixed = (mixed ^ mixed >>> 27) * 0x94D0_49BB_1331_11EBL;
        return mixed ^ mixed >>> 31;
    }
}
