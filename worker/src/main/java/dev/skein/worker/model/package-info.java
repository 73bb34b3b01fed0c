/**
 * Model files and what they describe.
 *
 * <p>A {@link dev.skein.worker.model.Checkpoint} is a model on disk: a {@linkplain dev.skein.worker.model.ModelConfig
 * configuration} and tensors by name, the same for every format. Each format is a reader that believes nothing in its
 * files: every length, count, offset, type and name is checked against what the file can hold before it is used, and what
 * is wrong is said with its name, its value and its bound. Files are mapped; numbers and strings stay in the mapping
 * until they are asked for, so a GGUF header of a hundred thousand strings costs a walk over their lengths and no memory.
 *
 * <p>A {@linkplain dev.skein.worker.model.Family family} of models is one file that says what its layers compute, put
 * together from a few shared pieces (attention, feed-forward, norm) and knowing no format. It is run twice: once when a
 * model is opened, to find every tensor with its shape, so that {@link dev.skein.worker.model.Architecture} refuses what
 * cannot be run before anything is loaded; and once to {@linkplain dev.skein.worker.model.Architecture#load load} the
 * weights into a {@link dev.skein.compute.Backend}. The {@link dev.skein.worker.model.ForwardPass} that comes out is a
 * sequence of backend operations, the same for every backend. A rank that holds a slice of each weight will load
 * {@linkplain dev.skein.compute.HostMatrix#slice slices} there and nowhere else.
 */
@NullMarked
package dev.skein.worker.model;

import org.jspecify.annotations.NullMarked;
