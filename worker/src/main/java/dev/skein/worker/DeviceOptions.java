package dev.skein.worker;

import dev.skein.compute.cuda.CudaBackends;
import dev.skein.compute.cuda.CudaBackends.Device;
import java.util.Locale;

/**
 * What computes, and how much of a GPU it may take.
 *
 * @param device where to compute
 * @param memoryShare of all memory of a GPU that this worker may fill, from above 0 to 1
 * @param eager whether a GPU is told every launch of every step, and nothing is captured
 * @param sameBits whether a token gets the same logits on a GPU, bit for bit, whatever else is in its steps; on cores it always
 *     does
 */
public record DeviceOptions(Device device, double memoryShare, boolean eager, boolean sameBits) {
    /** A GPU if there is one. */
    public static final DeviceOptions AUTO = new DeviceOptions(Device.AUTO, 0.92, false, false);

    public DeviceOptions {
        if (!(memoryShare > 0 && memoryShare <= 1)) {
            throw new IllegalArgumentException(
                    "--gpu-memory-utilization is %s; it is above 0 and at most 1".formatted(memoryShare));
        }
    }

    /**
     * The device that a flag names.
     *
     * @throws IllegalArgumentException if it is none of them
     */
    public static Device device(String name) {
        return switch (name) {
            case "auto" -> Device.AUTO;
            case "cpu" -> Device.CPU;
            case "cuda" -> Device.CUDA;
            default ->
                throw new IllegalArgumentException("--device is %s; it may be auto, cpu or cuda".formatted(name));
        };
    }

    CudaBackends.How how() {
        return new CudaBackends.How(!eager, sameBits);
    }

    /** As the flag names it. */
    public String name() {
        return device.name().toLowerCase(Locale.ROOT);
    }
}
