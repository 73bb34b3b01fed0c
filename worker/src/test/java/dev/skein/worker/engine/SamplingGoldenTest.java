package dev.skein.worker.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.skein.compute.Backend;
import dev.skein.compute.Buffer;
import dev.skein.compute.ElementType;
import dev.skein.compute.HostMatrix;
import dev.skein.compute.StepInputs;
import dev.skein.compute.StepInputs.Output;
import dev.skein.compute.StepOutputs;
import dev.skein.compute.cpu.CpuBackends;
import dev.skein.compute.cpu.CpuOptions;
import dev.skein.compute.cpu.CpuOptions.Isa;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;

/**
 * What backends draw against the probabilities that numpy computed in doubles. The logits get in as the one row of an
 * embedding table, drawn from often in one step under rising positions.
 */
class SamplingGoldenTest {
    private static final int DRAWS = 3000;
    /** Temperatures above greedy are raised to this, and biases kept within +-100, before they get to a backend. */
    private static final float LEAST_TEMPERATURE = 0.01f;

    private static final float MOST_BIAS = 100f;

    @ParameterizedTest
    @EnumSource(names = {"AUTO", "JAVA"})
    void drawsAsNumpySays(Isa isa) throws IOException {
        JsonNode golden;
        try (InputStream in = SamplingGoldenTest.class.getResourceAsStream("/goldens/sampling.json")) {
            golden = new ObjectMapper().readTree(in);
        }
        try (Backend backend = CpuBackends.choose(CpuOptions.defaults().withIsa(isa))) {
            assertThat(golden.get("cases")).isNotEmpty();
            for (JsonNode example : golden.get("cases")) {
                assertDrawn(example, counts(backend, example));
            }
        }
    }

    private static void assertDrawn(JsonNode example, int[] counts) {
        double chi = 0;
        int cells = 0;
        double rareExpected = 0;
        int rare = 0;
        for (int id = 0; id < counts.length; id++) {
            double expected = example.get("probabilities").get(id).asDouble() * DRAWS;
            if (expected == 0) {
                assertThat(counts[id])
                        .as("%s: id %d is dropped", example.get("name"), id)
                        .isZero();
            } else if (expected < 5) {
                rareExpected += expected;
                rare += counts[id];
            } else {
                chi += (counts[id] - expected) * (counts[id] - expected) / expected;
                cells++;
            }
        }
        chi += rareExpected > 0 ? (rare - rareExpected) * (rare - rareExpected) / (rareExpected + 1) : 0;
        assertThat(chi)
                .as("%s: chi-square over %d cells", example.get("name"), cells)
                .isLessThan(cells + 5 * Math.sqrt(2.0 * cells) + 10);
    }

    private static int[] counts(Backend backend, JsonNode example) {
        int vocabulary = example.get("logits").size();
        StepInputs step = new StepInputs(new StepInputs.Limits(DRAWS, 1, DRAWS, 1, 16));
        step.sequence();
        for (int draw = 0; draw < DRAWS; draw++) {
            step.token(0, 0, 0);
            ask(step, step.output(), example);
        }
        Buffer rows = backend.buffer(DRAWS, vocabulary);
        Buffer logits = backend.buffer(DRAWS, vocabulary);
        int[] counts = new int[vocabulary];
        try (Arena arena = Arena.ofShared()) {
            backend.begin(step);
            backend.embed(backend.table(logits(example, arena)), 1, rows);
            backend.gather(rows, logits);
            backend.sample(logits);
            StepOutputs outputs = backend.finish();
            for (int draw = 0; draw < DRAWS; draw++) {
                counts[outputs.id(draw)]++;
            }
        } finally {
            step.close();
        }
        return counts;
    }

    private static HostMatrix logits(JsonNode example, Arena arena) {
        int vocabulary = example.get("logits").size();
        MemorySegment data = arena.allocate(4L * vocabulary, 64);
        for (int id = 0; id < vocabulary; id++) {
            data.setAtIndex(
                    ValueLayout.JAVA_FLOAT, id, example.get("logits").get(id).floatValue());
        }
        return new HostMatrix("logits", ElementType.F32, 1, vocabulary, data);
    }

    private static void ask(StepInputs step, int output, JsonNode example) {
        JsonNode params = example.get("params");
        float temperature = number(params, "temperature", 1f);
        step.set(output, Output.POSITION, output);
        step.set(output, Output.SEED_LOW, 11);
        step.set(output, Output.TEMPERATURE, temperature < 1e-5f ? 0f : Math.max(temperature, LEAST_TEMPERATURE));
        step.set(output, Output.TOP_K, (int) number(params, "top_k", 0f));
        step.set(output, Output.TOP_P, number(params, "top_p", 1f));
        step.set(output, Output.MIN_P, number(params, "min_p", 0f));
        step.set(output, Output.REPETITION_PENALTY, number(params, "repetition_penalty", 1f));
        step.set(output, Output.FREQUENCY_PENALTY, number(params, "frequency_penalty", 0f));
        step.set(output, Output.PRESENCE_PENALTY, number(params, "presence_penalty", 0f));
        example.get("prompt").forEach(id -> step.history(output, id.asInt(), true));
        example.get("output").forEach(id -> step.history(output, id.asInt(), false));
        if (params.has("logit_bias")) {
            params.get("logit_bias")
                    .properties()
                    .forEach(entry -> step.bias(
                            output,
                            Integer.parseInt(entry.getKey()),
                            Math.clamp(entry.getValue().floatValue(), -MOST_BIAS, MOST_BIAS)));
        }
    }

    private static float number(JsonNode params, String name, float absent) {
        return params.has(name) ? params.get(name).floatValue() : absent;
    }
}
