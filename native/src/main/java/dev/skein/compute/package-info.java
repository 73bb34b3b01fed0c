/**
 * Where models are computed.
 *
 * <p>A {@link dev.skein.compute.Backend} owns memory and runs operations on it. An architecture is described once, as
 * a sequence of these operations; the description never sees an array of numbers, so it serves every backend and every
 * split of the weights. A step has three moments: its inputs go up in one copy ({@link dev.skein.compute.StepInputs}),
 * its operations are enqueued without waiting, and its outputs come down in one copy
 * ({@link dev.skein.compute.StepOutputs}): sampled ids and the logprobs that were asked for, nothing else. All shapes
 * follow from the inputs, so a backend may record a step, fuse neighbours or replay it.
 *
 * <p>Results do not depend on what else is in the step: every backend here adds up each output element in one fixed
 * order, whatever the number of rows, threads or chunks.
 */
@NullMarked
package dev.skein.compute;

import org.jspecify.annotations.NullMarked;
