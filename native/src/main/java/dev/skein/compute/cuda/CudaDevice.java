package dev.skein.compute.cuda;

/**
 * A GPU as the driver describes it.
 *
 * @param ordinal its number in this process, from 0; {@code CUDA_VISIBLE_DEVICES} may have renumbered them
 * @param major compute capability
 * @param bytes of its memory
 */
public record CudaDevice(int ordinal, String name, int major, int minor, int multiprocessors, long bytes) {
    /** The oldest capability that the kernels are built for. */
    static final int OLDEST_MAJOR = 8;

    boolean usable() {
        return major >= OLDEST_MAJOR;
    }

    /** Whether a kernel may start before the one before it is done. */
    boolean overlapsLaunches() {
        return major >= 9;
    }
}
