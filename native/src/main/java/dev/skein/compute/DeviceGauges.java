package dev.skein.compute;

/**
 * How a device is at this moment, whoever uses it.
 *
 * @param busy share of the last second or so in which it computed anything, 0 to 1
 * @param memoryUsed bytes of its memory, by all processes
 * @param memoryTotal all bytes of its memory
 * @param celsius its temperature
 * @param watts its power draw
 */
public record DeviceGauges(double busy, long memoryUsed, long memoryTotal, int celsius, double watts) {}
