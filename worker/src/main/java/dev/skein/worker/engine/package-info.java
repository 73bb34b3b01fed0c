/**
 * The engine: which tokens of which sequences are computed when.
 *
 * <p>There is no prefill phase and no decode phase. A {@link dev.skein.worker.engine.Sequence} is two numbers, the
 * tokens known and the tokens computed, and a step moves "computed" towards "known" for as many sequences as its token
 * budget allows; a decode is a sequence with one token outstanding (the scheduling of vLLM's second engine; continuous
 * batching after Orca, OSDI '22; paged memory after PagedAttention, arXiv 2309.06180).
 *
 * <p>{@link dev.skein.worker.engine.Planner} takes these decisions and nothing else: it has no clock, no thread and no
 * memory of tokens, so that generated histories by the hundred thousand can be checked against its promises.
 * {@link dev.skein.worker.engine.Engine} is the edge: one platform thread, the only one that touches planner, sequences
 * and backend, takes commands from a queue, plans, fills the step's inputs, runs it and hands out what came back.
 * Others talk to it through {@link dev.skein.worker.engine.Generation} and hear from it through
 * {@link dev.skein.worker.engine.TokenSink}.
 *
 * <p>A model that embeds has none of that: a text is computed whole, in one step, and nothing is kept. Its loop is the
 * {@link dev.skein.worker.engine.EmbeddingEngine}.
 *
 * <p>Nothing is allocated for a token in the loop itself: plans, inputs and token lists are reused. Sinks may allocate.
 */
@NullMarked
package dev.skein.worker.engine;

import org.jspecify.annotations.NullMarked;
