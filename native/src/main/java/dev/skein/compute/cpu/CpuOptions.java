package dev.skein.compute.cpu;

/**
 * How the cores of this machine are to compute.
 *
 * @param threads that compute, the caller's included
 * @param isa instruction set; {@link Isa#AUTO} takes the best that is there
 * @param pin whether each pool thread stays on one of the process's cores
 * @param spinMicros how long pool threads spin for the next step before they sleep: waking takes tens of microseconds
 */
public record CpuOptions(int threads, Isa isa, boolean pin, int spinMicros) {
    /** Instruction sets, as {@code -Dskein.cpu} names them. */
    public enum Isa {
        /** The best that this processor has. */
        AUTO,
        /** AVX2, FMA and F16C. */
        AVX2,
        /** AVX-512 F, BW, DQ and VL. */
        AVX512,
        /** AVX-512 with its 8-bit dot products. */
        VNNI,
        /** No native code. */
        JAVA
    }

    private static final int MOST_THREADS = 256;
    private static final int SPIN_MICROS = 200;

    public CpuOptions {
        if (threads < 1 || threads > MOST_THREADS) {
            throw new IllegalArgumentException("%d threads; 1 to %d can compute".formatted(threads, MOST_THREADS));
        }
        if (spinMicros < 0) {
            throw new IllegalArgumentException("%d microseconds to spin; 0 is least".formatted(spinMicros));
        }
    }

    /** Spinning for 200 microseconds, longer than a server is between two steps. */
    public CpuOptions(int threads, Isa isa, boolean pin) {
        this(threads, isa, pin, SPIN_MICROS);
    }

    /** All cores that this process may use, pinned, with the instruction set that {@code -Dskein.cpu} names. */
    public static CpuOptions defaults() {
        String isa = System.getProperty("skein.cpu", "auto");
        int cores = Runtime.getRuntime().availableProcessors();
        return new CpuOptions(Math.min(cores, MOST_THREADS), isa(isa), true);
    }

    /**
     * The instruction set of a name.
     *
     * @throws IllegalArgumentException naming those there are
     */
    public static Isa isa(String name) {
        for (Isa isa : Isa.values()) {
            if (isa.name().equalsIgnoreCase(name)) {
                return isa;
            }
        }
        throw new IllegalArgumentException(
                "no instruction set '%s'; there are auto, avx2, avx512, vnni and java".formatted(name));
    }

    public CpuOptions withIsa(Isa other) {
        return new CpuOptions(threads, other, pin, spinMicros);
    }

    /** With threads that run where the system puts them: for several processes on the same cores. */
    public CpuOptions unpinned() {
        return new CpuOptions(threads, isa, false, spinMicros);
    }

    public CpuOptions withThreads(int other) {
        return new CpuOptions(other, isa, pin, spinMicros);
    }
}
