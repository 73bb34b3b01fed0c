package dev.skein.worker.engine;

/**
 * Logprobs of raw logits at one position.
 *
 * @param logprob of the id that is there
 * @param rank 1 for the likeliest
 * @param topIds likeliest first
 */
@SuppressWarnings("ArrayRecordComponent") // Made for each token and handed on; nobody compares or keeps it.
public record TokenLogprobs(float logprob, int rank, int[] topIds, float[] topLogprobs) {}
