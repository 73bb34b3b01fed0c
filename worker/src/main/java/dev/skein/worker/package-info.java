/**
 * A worker: the process that computes a model.
 *
 * <p>{@link dev.skein.worker.Worker#start} does three things at once: it listens, it maps the model file and says what
 * is in it, and it loads the weights; so a gateway has its tokenizer before the first token can be computed. Then one
 * real generation warms the path, and the worker is ready. What happens is told to a
 * {@link dev.skein.worker.WorkerListener} as it happens.
 *
 * <p>In a group of ranks that worker is the leader, and each other rank is a {@link dev.skein.worker.GroupMember}, which comes
 * to it. Each holds a part of the weights. {@code Leadership} tells them what to load and where to meet, a {@code MeetingPoint} is where one
 * of them does, and when one is lost all meet anew once it is back, with the weights that they have.
 *
 * <p>Below: {@code model} (files, architectures), {@code engine} (planner, step loop), {@code service} (gRPC). The
 * arithmetic is {@link dev.skein.compute}.
 */
@NullMarked
package dev.skein.worker;

import org.jspecify.annotations.NullMarked;
