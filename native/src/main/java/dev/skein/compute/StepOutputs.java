package dev.skein.compute;

/** What a step brought back, for each of its outputs in order. Valid until the backend's next step. */
public interface StepOutputs {
    /** The sampled id, or the target where one was given. */
    int id(int output);

    /** Logprob of that id in the raw distribution: before bias, penalties and temperature. Only if asked for. */
    float logprob(int output);

    /** How many ids are at least as likely as that id in the raw distribution, itself included. Only if asked for. */
    int rank(int output);

    /** How many likeliest ids there are: what was asked for, or the whole vocabulary if that is less. */
    int topCount(int output);

    /** The k-th likeliest id in the raw distribution, from 0. Among equals the lower id is first. */
    int topId(int output, int k);

    float topLogprob(int output, int k);
}
