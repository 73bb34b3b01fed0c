/**
 * Model files and what they describe.
 *
 * <p>{@link dev.skein.worker.model.GgufFile} maps a GGUF file and believes nothing in it: every length, count, offset,
 * type and name is checked against what the file can hold before it is used, and what is wrong is said with its name,
 * its value and its bound. Numbers and strings stay in the mapping until they are asked for, so a header of a hundred
 * thousand strings costs a walk over their lengths and no memory.
 *
 * <p>{@link dev.skein.worker.model.Architecture} turns a file into something that can run: it reads the hyperparameters
 * (cheap, and all refusals happen here), and later {@linkplain dev.skein.worker.model.Architecture#load loads} the
 * weights into a {@link dev.skein.compute.Backend}. The {@link dev.skein.worker.model.ForwardPass} that comes out is
 * the architecture's one description: a sequence of backend operations, the same for every backend. A rank that holds
 * a slice of each weight will load {@linkplain dev.skein.compute.HostMatrix#slice slices} there and nowhere else.
 */
@NullMarked
package dev.skein.worker.model;

import org.jspecify.annotations.NullMarked;
