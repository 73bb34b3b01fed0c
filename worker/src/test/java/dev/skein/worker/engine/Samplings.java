package dev.skein.worker.engine;

import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.OptionalLong;

/** Sampling parameters: the defaults but for what is said. */
public final class Samplings {
    private float temperature;
    private float repetition = 1;
    private float frequency;
    private float presence;
    private OptionalLong seed = OptionalLong.empty();
    private Map<Integer, Float> bias = Map.of();
    private int minTokens;
    private boolean ignoreEos;
    private List<Integer> stop = List.of();
    private List<Integer> allowed = List.of();
    private List<List<Integer>> bad = List.of();
    private OptionalInt logprobs = OptionalInt.empty();
    private OptionalInt promptLogprobs = OptionalInt.empty();

    private Samplings() {}

    public static Samplings greedy() {
        return new Samplings();
    }

    public Samplings random(float value, OptionalLong by) {
        temperature = value;
        seed = by;
        return this;
    }

    public Samplings penalties(float ofRepetition, float ofFrequency, float ofPresence) {
        repetition = ofRepetition;
        frequency = ofFrequency;
        presence = ofPresence;
        return this;
    }

    public Samplings ids(Map<Integer, Float> toBias, List<Integer> toStop, List<Integer> toAllow) {
        bias = toBias;
        stop = toStop;
        allowed = toAllow;
        return this;
    }

    public Samplings without(List<List<Integer>> badWords) {
        bad = badWords;
        return this;
    }

    public Samplings ends(int notBefore, boolean ignoringEos) {
        minTokens = notBefore;
        ignoreEos = ignoringEos;
        return this;
    }

    public Samplings logprobs(OptionalInt ofOutput, OptionalInt ofPrompt) {
        logprobs = ofOutput;
        promptLogprobs = ofPrompt;
        return this;
    }

    public Sampling value() {
        return new Sampling(
                temperature,
                0,
                1,
                0,
                repetition,
                frequency,
                presence,
                seed,
                bias,
                minTokens,
                ignoreEos,
                stop,
                logprobs,
                promptLogprobs,
                allowed,
                bad);
    }
}
