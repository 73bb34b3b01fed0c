package dev.skein.compute.cuda;

/** Captured work, to be launched as often as wanted, but never beside itself: see {@link CudaStream#launch}. */
public final class CudaGraph {
    private final long handle;

    CudaGraph(long handle) {
        this.handle = handle;
    }

    long handle() {
        return handle;
    }
}
