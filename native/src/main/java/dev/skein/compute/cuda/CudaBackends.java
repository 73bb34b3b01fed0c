package dev.skein.compute.cuda;

import dev.skein.compute.Backend;
import dev.skein.compute.ComputeException;
import java.util.List;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The one place that decides between a GPU and this machine's cores, and logs why. */
public final class CudaBackends {
    private static final Logger log = LoggerFactory.getLogger(CudaBackends.class);

    /**
     * How a GPU computes.
     *
     * @param graphs whether steps of one token a sequence are captured and replayed
     * @param sameBits whether a token gets the same logits, bit for bit, whatever else is in its steps, at some cost
     */
    public record How(boolean graphs, boolean sameBits) {}

    /** Where to compute. */
    public enum Device {
        /** On the first usable GPU; without one, on the cores. */
        AUTO,
        CPU,
        /** On the first usable GPU, or not at all. */
        CUDA
    }

    /** How many ranks may split layers among them. */
    public static final int MOST_RANKS = CudaRanks.MOST;

    private CudaBackends() {}

    /**
     * A backend on the device.
     *
     * @param cores makes the one that serves where no GPU does
     * @throws ComputeException if a GPU was asked for and none can be used; the message says why
     */
    public static Backend choose(Device device, How how, Supplier<Backend> cores) {
        return switch (device) {
            case CPU -> cores.get();
            case AUTO, CUDA ->
                choose(device, CudaProbe.probe(), CudaKernels.image().isPresent(), how, cores);
        };
    }

    static Backend choose(Device device, CudaProbe probe, boolean kernels, How how, Supplier<Backend> cores) {
        return switch (probe) {
            case CudaProbe.Absent absent -> without(device, absent.reason(), cores);
            case CudaProbe.Present _
            when !kernels -> without(device, "built without CUDA kernels: nvcc was missing when the build ran", cores);
            case CudaProbe.Present present ->
                opened(device, present.devices().getFirst().ordinal(), how, cores);
        };
    }

    /**
     * A backend for a rank of a group of which all ranks are on this host: each on a GPU of its own, or several on one where
     * there are fewer than ranks.
     *
     * @throws ComputeException if no GPU can be used; the message says why
     */
    public static Backend ofRank(int rank, How how) {
        List<CudaDevice> devices = usable();
        CudaDevice device = devices.get(rank % devices.size());
        CudaBackend backend = CudaBackend.create(device.ordinal(), how.graphs, how.sameBits);
        log.info("rank={} gpu={} backend=\"{}\"", rank, device.ordinal(), backend.description());
        return backend;
    }

    /**
     * How many of so many ranks of this host are on the same GPU, where most are.
     *
     * @throws ComputeException if no GPU can be used; the message says why
     */
    public static int ranksOnOne(int ranks) {
        return Math.ceilDiv(ranks, usable().size());
    }

    private static List<CudaDevice> usable() {
        return switch (CudaProbe.probe()) {
            case CudaProbe.Present present -> present.devices();
            case CudaProbe.Absent absent ->
                throw new ComputeException("cuda was asked for, but " + absent.reason(), true);
        };
    }

    private static Backend opened(Device device, int ordinal, How how, Supplier<Backend> cores) {
        try {
            return with(device, CudaBackend.create(ordinal, how.graphs, how.sameBits));
        } catch (ComputeException broken) {
            return without(device, "the GPU cannot be used: " + broken.getMessage(), cores);
        }
    }

    private static Backend with(Device device, CudaBackend backend) {
        log.info(
                "backend=\"{}\" reason=\"{}\"",
                backend.description(),
                device == Device.CUDA ? "asked for by name" : "the first usable GPU");
        return backend;
    }

    private static Backend without(Device device, String reason, Supplier<Backend> cores) {
        if (device == Device.CUDA) {
            throw new ComputeException(
                    "cuda was asked for, but %s; auto falls back to the processor".formatted(reason), true);
        }
        log.info("device=cpu reason=\"{}\"", reason);
        return cores.get();
    }
}
