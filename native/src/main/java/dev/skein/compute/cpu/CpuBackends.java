package dev.skein.compute.cpu;

import dev.skein.compute.Backend;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The one place that decides what computes on this machine's cores, and logs why. */
public final class CpuBackends {
    private static final Logger log = LoggerFactory.getLogger(CpuBackends.class);

    private CpuBackends() {}

    /** The fastest backend that the options allow. */
    public static Backend choose(CpuOptions options) {
        log.warn("backend=java reason=\"no native library in this build\" effect=\"hundreds of times slower\"");
        return new JavaBackend();
    }
}
