package dev.skein.worker.model;

/**
 * About what a model takes of a device with its own memory, but for the cache.
 *
 * @param steps buffers and room to work
 * @param experts what steps take besides for products of experts; 0 where there are none
 */
public record DeviceBytes(long weights, long steps, long experts) {
    /** On processors, where experts' room is among that of steps. */
    public static DeviceBytes of(long weights, long steps) {
        return new DeviceBytes(weights, steps, 0);
    }

    public long all() {
        return weights + steps + experts;
    }
}
