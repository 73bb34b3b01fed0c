package dev.skein.scheduler.rollout;

/// What a group takes of machines, over all its ranks; or what one rank takes, or several groups.
///
/// @param threads that compute
/// @param bytes of memory; 0 where that is not known
/// @param gpus whole ones: nobody else may use them
/// @param gpuBytes of the memory of all these GPUs; 0 where that is not known
public record Needs(int threads, long bytes, int gpus, long gpuBytes) {
    public static final Needs NOTHING = new Needs(0, 0);

    public Needs(int threads, long bytes) {
        this(threads, bytes, 0, 0);
    }

    public Needs {
        if (threads < 0 || bytes < 0 || gpus < 0 || gpuBytes < 0) {
            throw new IllegalArgumentException("needs of " + threads + " threads, " + bytes + " bytes, " + gpus
                    + " GPUs with " + gpuBytes + " bytes: none may be below 0");
        }
    }

    public Needs plus(Needs other) {
        return new Needs(threads + other.threads, bytes + other.bytes, gpus + other.gpus, gpuBytes + other.gpuBytes);
    }

    public Needs times(int count) {
        return new Needs(threads * count, bytes * count, gpus * count, gpuBytes * count);
    }

    /// What each of so many equal ranks takes, rounded up.
    public Needs each(int ranks) {
        return new Needs(
                Math.ceilDiv(threads, ranks),
                Math.ceilDiv(bytes, ranks),
                Math.ceilDiv(gpus, ranks),
                Math.ceilDiv(gpuBytes, ranks));
    }

    /// The memory that each of its GPUs must have.
    public long bytesOfGpu() {
        return gpus == 0 ? 0 : Math.ceilDiv(gpuBytes, gpus);
    }
}
