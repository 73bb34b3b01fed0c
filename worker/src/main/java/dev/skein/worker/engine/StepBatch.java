package dev.skein.worker.engine;

import dev.skein.compute.KvCache;
import dev.skein.compute.StepInputs;
import dev.skein.compute.StepInputs.Output;
import java.util.BitSet;
import java.util.List;
import java.util.Set;

/** Writes a plan into a step's inputs, and into the plan which outputs belong to which of its sequences. */
final class StepBatch implements AutoCloseable {
    private final StepInputs inputs;
    private final Set<Integer> eosTokenIds;
    /** The same, found without a box. */
    private final BitSet ends = new BitSet();

    StepBatch(StepInputs.Limits limits, Set<Integer> eosTokenIds) {
        this.inputs = new StepInputs(limits);
        this.eosTokenIds = eosTokenIds;
        eosTokenIds.forEach(ends::set);
    }

    boolean endsSequence(int id) {
        return ends.get(id);
    }

    StepInputs inputs() {
        return inputs;
    }

    void fill(Plan plan) {
        inputs.clear();
        for (int i = 0; i < plan.size(); i++) {
            plan.firstOutput(i, inputs.outputs());
            sequence((Generation) plan.sequence(i), plan.tokens(i));
        }
    }

    private void sequence(Generation generation, int count) {
        int end = generation.computed();
        int firstSampled = end < generation.known() || !generation.wantsToken() ? end : generation.known() - 1;
        IntList blocks = generation.blocks();
        inputs.sequence();
        for (int i = 0; i < Sequence.blocksFor(end); i++) {
            inputs.block(blocks.get(i));
        }
        for (int position = end - count; position < end; position++) {
            int slot = blocks.get(position / KvCache.BLOCK_SIZE) * KvCache.BLOCK_SIZE + position % KvCache.BLOCK_SIZE;
            inputs.token(id(generation, position), position, slot);
            if (generation.scores(position)) {
                score(generation, position);
            }
            if (position >= firstSampled) {
                sample(generation, position + 1);
            }
        }
    }

    /** An id, or the name of the one that the step before will bring. */
    private static int id(Generation generation, int position) {
        boolean there = position < generation.known() + generation.draft().size();
        return there ? generation.token(position) : -1 - generation.sampledBy();
    }

    private void score(Generation generation, int position) {
        int output = inputs.output();
        inputs.set(output, Output.TARGET, generation.token(position + 1));
        inputs.set(
                output, Output.LOGPROBS, generation.sampling().promptLogprobs().orElseThrow());
    }

    /** Wants the id that follows `known` ids, of which the last may be drafted. */
    private void sample(Generation generation, int known) {
        Sampling sampling = generation.sampling();
        int output = inputs.output();
        generation.sampledBy(output);
        inputs.set(output, Output.LOGPROBS, sampling.logprobs().orElse(-1));
        inputs.set(output, Output.TOP_K, sampling.topK());
        inputs.set(output, Output.TEMPERATURE, sampling.temperature());
        inputs.set(output, Output.TOP_P, sampling.topP());
        inputs.set(output, Output.MIN_P, sampling.minP());
        inputs.set(output, Output.REPETITION_PENALTY, sampling.repetitionPenalty());
        inputs.set(output, Output.FREQUENCY_PENALTY, sampling.frequencyPenalty());
        inputs.set(output, Output.PRESENCE_PENALTY, sampling.presencePenalty());
        inputs.set(output, Output.SEED_LOW, (int) generation.seed());
        inputs.set(output, Output.SEED_HIGH, (int) (generation.seed() >>> 32));
        inputs.set(output, Output.POSITION, known - generation.request().promptLength());
        if (sampling.penalises()) {
            history(generation, output, known);
        }
        bias(generation, output, known - generation.request().promptLength());
        banWords(generation, output, known);
        if (!sampling.allowedTokenIds().isEmpty()) {
            allow(output, sampling.allowedTokenIds());
        }
    }

    private void allow(int output, List<Integer> ids) {
        for (int id : ids) {
            inputs.allow(output, id);
        }
    }

    private void history(Generation generation, int output, int known) {
        int prompt = generation.request().promptLength();
        for (int i = generation.sampling().repeats() ? 0 : prompt; i < known; i++) {
            inputs.history(output, generation.token(i), i < prompt);
        }
    }

    private void bias(Generation generation, int output, int outputs) {
        Sampling sampling = generation.sampling();
        if (!sampling.logitBias().isEmpty()) {
            sampling.logitBias().forEach((id, value) -> inputs.bias(output, id, value));
        }
        if (outputs < sampling.minTokens()) {
            if (!sampling.ignoreEos()) {
                ban(output, eosTokenIds);
            }
            ban(output, sampling.stopTokenIds());
        }
    }

    private void banWords(Generation generation, int output, int known) {
        for (int[] word : generation.badWords()) {
            if (generation.completes(word, known)) {
                inputs.bias(output, word[word.length - 1], Float.NEGATIVE_INFINITY);
            }
        }
    }

    private void ban(int output, Iterable<Integer> ids) {
        for (int id : ids) {
            inputs.bias(output, id, Float.NEGATIVE_INFINITY);
        }
    }

    @Override
    public void close() {
        inputs.close();
    }
}
