import dev.skein.compute.Backend;
import dev.skein.compute.ElementType;
import dev.skein.compute.KvCache;
import dev.skein.compute.OwnMemory;
import dev.skein.compute.cpu.CpuBackends;
import dev.skein.compute.cpu.CpuOptions;
import dev.skein.compute.cuda.CudaBackends;
import dev.skein.worker.engine.Collected;
import dev.skein.worker.engine.Completion;
import dev.skein.worker.engine.Engine;
import dev.skein.worker.engine.EngineException;
import dev.skein.worker.engine.EngineOptions;
import dev.skein.worker.engine.GenerationRequest;
import dev.skein.worker.engine.GpuRank;
import dev.skein.worker.engine.Sampling;
import dev.skein.worker.engine.Samplings;
import dev.skein.worker.engine.TestEngine;
import dev.skein.worker.engine.TokenLogprobs;
import dev.skein.worker.engine.TokenSink;
import dev.skein.worker.model.Architecture;
import dev.skein.worker.model.Checkpoint;
import dev.skein.worker.model.DummyFolder;
import dev.skein.worker.model.FamilyModel;
import dev.skein.worker.model.RankCount;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.Locale;
import java.util.OptionalInt;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import tools.jackson.databind.JsonNode;

/**
 * The engine on a GPU: whether it says what transformers and the cores say, and how fast it is with random weights of an
 * 8B model's shape. Writes rows of Markdown. One argument: {@code check}, {@code ranks}, {@code model}, the one that
 * the property {@code skein.model} names, {@code bench}, {@code awq}, {@code mixtral}, {@code host}, or {@code tiny}, a bench of a small
 * model for machines without a GPU; then seconds after which nothing more is begun.
 */
public final class EngineOnDevice {
    private static final double NANOS = 1e9;
    private static final int CONTEXT = 1024;
    private static final Sampling GREEDY = Samplings.greedy().ends(0, true).value();

    /** Ids of SmolLM2's: a beginning of a sentence, a question as its template has it, a beginning of a tale. */
    private static final List<int[]> ENGLISH = List.of(
            new int[] {504, 1296, 3995, 4199, 282, 4649, 359},
            new int[] {1, 4093, 198, 4898, 314, 260, 6376, 4461, 47, 19842, 281, 582, 8510, 30, 2, 198, 1, 520, 9531, 198},
            new int[] {
                6403, 1980, 253, 655, 28, 281, 253, 6560, 826, 827, 7626, 28, 665, 4161, 354, 1573, 9191, 16201, 617, 761, 2093,
                2268, 719, 3008, 30, 1963, 5738, 28, 645, 260, 28034, 282, 260, 4538, 868, 457, 1658, 87, 327, 260, 17561, 5353,
                28, 3878, 436, 288, 325, 3984, 564, 260, 32130, 335, 260, 32350, 28, 284, 588
            });

    private static final String LLAMA_8B = config("llama", "LlamaForCausalLM", 4096, 14336, 32, 32, 8, 128, 128256, "");
    private static final String AWQ_8B = config(
            "llama",
            "LlamaForCausalLM",
            4096,
            14336,
            32,
            32,
            8,
            128,
            128256,
            ", \"quantization_config\": {\"quant_method\": \"awq\", \"bits\": 4, \"group_size\": 128}");
    private static final String MIXTRAL = config(
            "mixtral",
            "MixtralForCausalLM",
            4096,
            14336,
            32,
            32,
            8,
            128,
            32000,
            ", \"num_local_experts\": 8, \"num_experts_per_tok\": 2");
    private static final String SMALL = config("llama", "LlamaForCausalLM", 512, 1024, 2, 8, 2, 64, 1024, "");
    private static final String TINY = config("llama", "LlamaForCausalLM", 128, 256, 2, 4, 2, 32, 512, "");

    private static final PrintStream out = System.out;
    private static final List<Path> folders = new ArrayList<>();
    private static long until = Long.MAX_VALUE;
    private static int wrong;

    private EngineOnDevice() {}

    public static void main(String[] arguments) throws IOException {
        if (arguments.length > 1) {
            until = System.nanoTime() + (long) (Double.parseDouble(arguments[1]) * NANOS);
        }
        switch (arguments[0]) {
            case "check" -> check();
            case "ranks" -> ranks();
            case "model" -> realBesideCores(Path.of(System.getProperty("skein.model")));
            case "bench" -> bench(LLAMA_8B, "8B bf16", new int[] {1, 16, 64, 256}, CONTEXT, 8192, 64);
            case "awq" -> decodeOnly(AWQ_8B, "8B AWQ", new int[] {1, 16, 64});
            case "host" -> decodeOnly(SMALL, "two small layers (what the host takes)", new int[] {1, 64, 256});
            case "mixtral" -> decodeOnly(MIXTRAL, "Mixtral 8x7B bf16", new int[] {1, 16, 64});
            case "tiny" -> bench(TINY, "tiny", new int[] {1, 3}, 64, 128, 4);
            default -> throw new IllegalArgumentException(arguments[0]);
        }
        System.exit(wrong == 0 ? 0 : 1);
    }

    private static String config(
            String type,
            String architecture,
            int hidden,
            int inner,
            int layers,
            int heads,
            int kvHeads,
            int headSize,
            int vocabulary,
            String more) {
        return """
                {"model_type": "%s", "architectures": ["%s"], "hidden_size": %d, "intermediate_size": %d,
                 "num_hidden_layers": %d, "num_attention_heads": %d, "num_key_value_heads": %d, "head_dim": %d,
                 "vocab_size": %d, "max_position_embeddings": 131072, "rms_norm_eps": 1e-05, "rope_theta": 500000.0,
                 "tie_word_embeddings": false, "torch_dtype": "bfloat16", "hidden_act": "silu"%s}
                """.formatted(
                        type,
                        architecture,
                        hidden,
                        inner,
                        layers,
                        heads,
                        kvHeads,
                        headSize,
                        vocabulary,
                        more);
    }

    private static Path folder(String config) throws IOException {
        Path folder = Files.createTempDirectory("model");
        Files.writeString(folder.resolve("config.json"), config);
        folders.add(folder);
        return folder;
    }

    private static Backend gpu(boolean graphs) {
        return gpu(graphs, false);
    }

    private static Backend gpu(boolean graphs, boolean sameBits) {
        CudaBackends.How how = new CudaBackends.How(graphs, sameBits);
        return CudaBackends.choose(CudaBackends.Device.CUDA, how, () -> {
            throw new IllegalStateException("cores");
        });
    }

    private static void row(String format, Object... values) {
        out.printf(Locale.ROOT, "| " + format + " |%n", values);
        out.flush();
    }

    private static boolean late() {
        return System.nanoTime() > until;
    }

    // Whether it is right

    private static void check() throws IOException {
        row("check | result | ");
        row("--- | --- | ---");
        for (String name : List.of("mistral", "qwen3", "qwen3moe", "qwen3moe-dense", "gemma3")) {
            goldens(name);
        }
        besideCores("llama, heads of 128", config("llama", "LlamaForCausalLM", 1024, 2816, 4, 8, 2, 128, 4096, ""));
        besideCores("llama, shape of SmolLM2", config("llama", "LlamaForCausalLM", 576, 1536, 6, 9, 3, 64, 4096, ""));
        besideCores(
                "llama, AWQ",
                config(
                        "llama",
                        "LlamaForCausalLM",
                        1024,
                        2816,
                        4,
                        8,
                        2,
                        128,
                        4096,
                        ", \"quantization_config\": {\"quant_method\": \"awq\", \"bits\": 4, \"group_size\": 128}"));
        besideCores("qwen2", config("qwen2", "Qwen2ForCausalLM", 896, 2432, 4, 14, 2, 64, 4096, ""));
        besideCores("qwen3", config("qwen3", "Qwen3ForCausalLM", 1024, 3072, 4, 16, 8, 128, 4096, ""));
        besideCores(
                "mixtral",
                config(
                        "mixtral",
                        "MixtralForCausalLM",
                        512,
                        1024,
                        4,
                        8,
                        2,
                        64,
                        4096,
                        ", \"num_local_experts\": 8, \"num_experts_per_tok\": 2"));
    }

    /** Small models whose greedy ids transformers computed. */
    private static void goldens(String name) throws IOException {
        FamilyModel model = new FamilyModel(name);
        Path path = model.folder(Files.createTempDirectory(name), ElementType.F32);
        List<int[]> prompts = prompts(model);
        List<List<Integer>> expected = outputs(model);
        for (boolean graphs : new boolean[] {true, false}) {
            try (TestEngine engine = new TestEngine(path, new TestEngine.Size(8, 64, 256, 100), 256, gpu(graphs))) {
                boolean same = engine.generate(prompts, GREEDY, 12).equals(expected);
                wrong += same ? 0 : 1;
                row(
                        "%s, %s, %d prompts | %s | greedy ids of transformers",
                        name, graphs ? "graphs" : "eager", prompts.size(), same ? "same" : "DIFFERENT");
            }
        }
    }

    // Whether two ranks are right, each a process: on a GPU each, or taking turns on one

    private static void ranks() throws IOException {
        row("check | result | ");
        row("--- | --- | ---");
        for (String name : List.of("mistral", "qwen3", "qwen3moe", "qwen3moe-dense", "gemma3")) {
            for (boolean graphs : new boolean[] {true, false}) {
                if (!late()) {
                    rankedGoldens(name, graphs);
                }
            }
        }
        lostRank();
    }

    private static void rankedGoldens(String name, boolean graphs) throws IOException {
        FamilyModel model = new FamilyModel(name);
        Path path = model.folder(Files.createTempDirectory(name), ElementType.F32);
        long began = System.nanoTime();
        try (Ranks ranks = new Ranks(path, Duration.ofSeconds(60), graphs)) {
            boolean same = ranks.leader.generate(prompts(model), GREEDY, 12).equals(outputs(model));
            wrong += same ? 0 : 1;
            row(
                    "%s, two ranks, %s, %d prompts | %s | greedy ids of transformers; %.1f s with the start",
                    name,
                    graphs ? "graphs" : "eager",
                    model.prompts().size(),
                    same ? "same" : "DIFFERENT",
                    (System.nanoTime() - began) / NANOS);
        }
    }

    private static void lostRank() throws IOException {
        FamilyModel model = new FamilyModel("qwen3");
        Path path = model.folder(Files.createTempDirectory("lost"), ElementType.F32);
        List<int[]> prompts = prompts(model);
        try (Ranks ranks = new Ranks(path, Duration.ofSeconds(30), true)) {
            ranks.leader.generate(prompts.subList(0, 1), GREEDY, 3);
            long killed = System.nanoTime();
            ranks.other.kill();
            try {
                ranks.leader.generate(prompts.subList(0, 1), GREEDY, 100);
            } catch (CompletionException failed) {
                // Its engine's failure says why.
            }
            String said = String.valueOf(
                    ranks.leader.engine().failure().orTimeout(60, TimeUnit.SECONDS).join().getMessage());
            double seconds = (System.nanoTime() - killed) / NANOS;
            boolean good = said.contains("rank 1 ") && seconds < 5;
            wrong += good ? 0 : 1;
            row("a rank is killed | %s | after %.2f s: %s", good ? "good" : "WRONG", seconds, said.replace('\n', ' '));
        }
    }

    /** Two ranks of a model, the first in this process. */
    private static final class Ranks implements AutoCloseable {
        private static final TestEngine.Size SIZE = new TestEngine.Size(8, 64, 256, 100);
        private static final int LENGTH = 256;

        private final GpuRank other;
        private final TestEngine leader;

        Ranks(Path model, Duration limit, boolean graphs) {
            String group = "device-" + System.nanoTime();
            other = new GpuRank(model, SIZE, LENGTH, 2, 1, group, limit, graphs);
            leader = new TestEngine(
                    model,
                    SIZE,
                    LENGTH,
                    new RankCount(2, 1),
                    group,
                    limit,
                    CudaBackends.ofRank(0, new CudaBackends.How(graphs, true)));
        }

        @Override
        public void close() {
            leader.close();
            other.close();
        }
    }

    private static List<int[]> prompts(FamilyModel model) {
        return model.prompts().values().stream()
                .map(each -> each.get("prompt").values().stream()
                        .mapToInt(JsonNode::intValue)
                        .toArray())
                .toList();
    }

    private static List<List<Integer>> outputs(FamilyModel model) {
        return model.prompts().values().stream()
                .map(each -> each.get("output").values().stream()
                        .map(JsonNode::intValue)
                        .toList())
                .toList();
    }

    /** Random weights of a shape, on the GPU and on this machine's cores. */
    private static void besideCores(String name, String config) throws IOException {
        Random random = new Random(5);
        List<int[]> prompts = new ArrayList<>();
        for (int length : new int[] {7, 150, 300}) {
            prompts.add(random.ints(length, 3, 4000).toArray());
        }
        besideCores(name + ", random weights", () -> DummyFolder.open(folder(config)), prompts);
    }

    /** A model of its own, in a file; its tokenizer must be SmolLM2's. */
    private static void realBesideCores(Path model) throws IOException {
        row("check | result | ");
        row("--- | --- | ---");
        besideCores(model.getFileName().toString(), () -> Checkpoint.open(model), ENGLISH);
    }

    /** Opens a model anew. */
    private interface Opening {
        Checkpoint open() throws IOException;
    }

    private static void besideCores(String name, Opening model, List<int[]> prompts) throws IOException {
        try (Bench cores = new Bench(model.open(), 512, 8, 512, CpuBackends.choose(CpuOptions.defaults()));
                Bench device = new Bench(model.open(), 512, 8, 512, gpu(true, true));
                Bench quick = new Bench(model.open(), 512, 8, 512, gpu(true));
                Bench eager = new Bench(model.open(), 512, 8, 512, gpu(false, true))) {
            double worst = 0;
            double squares = 0;
            int far = 0;
            int scored = 0;
            for (int[] prompt : prompts) {
                List<TokenLogprobs> theirs = cores.scores(prompt);
                for (Bench each : List.of(device, quick)) {
                    List<TokenLogprobs> ours = each.scores(prompt);
                    for (int i = 0; i < ours.size(); i++) {
                        double difference = Math.abs(ours.get(i).logprob() - theirs.get(i).logprob());
                        worst = Math.max(worst, difference);
                        far += difference < 0.25 ? 0 : 1;
                        squares += difference * difference;
                        scored++;
                    }
                }
            }
            List<List<Integer>> replayed = device.ids(prompts, 48);
            List<List<Integer>> launched = eager.ids(prompts, 48);
            List<List<Integer>> theirs = cores.ids(prompts, 48);
            int firsts = 0;
            int before = 0;
            for (int i = 0; i < prompts.size(); i++) {
                int same = 0;
                while (same < 48 && replayed.get(i).get(same).equals(theirs.get(i).get(same))) {
                    same++;
                }
                before += same;
                firsts += same > 0 ? 1 : 0;
            }
            double root = Math.sqrt(squares / scored);
            // Where experts are chosen, a close choice may fall the other way, which changes all after it in that row.
            int mayBeFar = name.startsWith("mixtral") ? scored / 100 : 0;
            boolean good = far <= mayBeFar && root < 0.05 && replayed.equals(launched);
            wrong += good ? 0 : 1;
            row(
                    "%s | %s | %d logprobs of prompt ids, with the same bits and without: rms %.4f, at most %.4f from the cores'; of %d greedy ids"
                            + " %d come before the first other one; graphs and eager: %s",
                    name,
                    good ? "good" : "WRONG",
                    scored,
                    root,
                    worst,
                    48 * prompts.size(),
                    before,
                    replayed.equals(launched) ? "same ids" : "OTHER IDS");
        }
    }

    // How fast it is

    private static void bench(String config, String name, int[] batches, int context, int longest, int measured)
            throws IOException {
        double asked = ManagementFactory.getRuntimeMXBean().getStartTime();
        row("measure | Skein | ");
        row("--- | --- | ---");
        List<List<List<Integer>>> replayed = new ArrayList<>();
        try (Bench bench = new Bench(config, longest + 64, 256, Math.min(longest, 8192), gpu(true))) {
            bench.run(new int[] {5}, 1);
            row(
                    "%s: start of the JVM to first token | %.2f s | %s; weights and cache %.2f s",
                    name, (System.currentTimeMillis() - asked) / 1e3, bench.backend, bench.loadSeconds);
            prefill(bench, name, new int[] {Math.min(512, longest / 2), Math.min(2048, longest), longest});
            for (int batch : batches) {
                if (!late()) {
                    decode(bench, name + ", graphs", batch, context, measured);
                }
            }
            for (int clients : new int[] {1, 64}) {
                if (!late() && batches.length > 2) {
                    closedLoop(bench, name, clients, context, 8192);
                }
            }
            row("%s: memory | %s | ", name, bench.memory());
        }
        try (Bench bench = new Bench(config, context + 2 * measured, 256, 1024, gpu(true))) {
            if (!late() && batches.length > 2) {
                closedLoop(bench, name, 64, context, 1024);
            }
        }
        List<List<List<Integer>>> launched = new ArrayList<>();
        try (Bench bench = new Bench(config, context + 2 * measured, 64, Math.min(longest, 2048), gpu(false))) {
            for (int i = 0; i < Math.min(3, batches.length) && !late(); i++) {
                decode(bench, name + ", eager", batches[i], context, measured);
            }
        }
        for (boolean graphs : new boolean[] {true, false}) {
            try (Bench bench = new Bench(config, context + 2 * measured, 64, Math.min(longest, 2048), gpu(graphs, true))) {
                for (int i = 0; i < Math.min(3, batches.length); i++) {
                    if (graphs && !late()) {
                        decode(bench, name + ", same bits", batches[i], context, measured);
                    }
                    (graphs ? replayed : launched).add(bench.ids(prompts(batches[i], 40, 11), 24));
                }
            }
        }
        boolean same = replayed.equals(launched);
        // Whoever comes first, and beside whom: the longest batch begins with the same prompts as the others.
        for (List<List<Integer>> batch : replayed) {
            same &= batch.getFirst().equals(replayed.getFirst().getFirst());
        }
        wrong += same ? 0 : 1;
        row("%s: in the mode of the same bits, graphs, eager and other batches | %s | ", name, same ? "same ids" : "OTHER IDS");
    }

    private static void decodeOnly(String config, String name, int[] batches) throws IOException {
        row("measure | Skein | ");
        row("--- | --- | ---");
        double asked = ManagementFactory.getRuntimeMXBean().getStartTime();
        try (Bench bench = new Bench(config, CONTEXT + 128, batches[batches.length - 1], 2048, gpu(true))) {
            bench.run(new int[] {5}, 1);
            row(
                    "%s: start of the JVM to first token | %.2f s | weights and cache %.2f s",
                    name, (System.currentTimeMillis() - asked) / 1e3, bench.loadSeconds);
            for (int batch : batches) {
                if (!late()) {
                    decode(bench, name, batch, CONTEXT, 64);
                }
            }
            row("%s: memory | %s | ", name, bench.memory());
        }
    }

    private static void prefill(Bench bench, String name, int[] lengths) {
        for (int length : lengths) {
            double[] seconds = new double[4];
            for (int run = 0; run < seconds.length; run++) {
                long began = System.nanoTime();
                Timed sink = bench.submit(prompts(1, length, run).getFirst(), 1);
                sink.done.join();
                seconds[run] = (sink.first - began) / NANOS;
            }
            double median = median(Arrays.copyOfRange(seconds, 1, seconds.length));
            row("%s: prefill %d | %.0f tok/s | %.1f ms", name, length, length / median, 1e3 * median);
        }
    }

    /** From the moment when all have their first token; mean context is the one named. */
    private static void decode(Bench bench, String name, int batch, int context, int tokens) {
        List<Timed> sinks = prompts(batch, context - tokens / 2, 7).stream()
                .map(prompt -> bench.submit(prompt, 2 * tokens))
                .toList();
        sinks.forEach(sink -> sink.done.join());
        // The first half of the tokens warms up, and covers prompts that were prefilled later than others.
        long from = sinks.stream().mapToLong(sink -> sink.times.get(tokens)).max().orElseThrow();
        long to = sinks.stream().mapToLong(sink -> sink.times.getLast()).min().orElseThrow();
        int counted = 0;
        List<Double> gaps = new ArrayList<>();
        for (Timed sink : sinks) {
            for (int i = 1; i < sink.times.size(); i++) {
                if (sink.times.get(i) > from && sink.times.get(i) <= to) {
                    counted++;
                    gaps.add((sink.times.get(i) - sink.times.get(i - 1)) / 1e6);
                }
            }
        }
        double p50 = median(gaps.stream().mapToDouble(each -> each).toArray());
        row(
                "%s: decode, batch %d, context %d | %.0f tok/s | %.2f ms a token",
                name, batch, context, counted * NANOS / Math.max(1, to - from), p50);
    }

    /** Clients that ask again as soon as they were answered; without HTTP. */
    private static void closedLoop(Bench bench, String name, int clients, int prompt, int chunk) {
        int requests = clients == 1 ? 4 : 3 * clients;
        Random random = new Random(3);
        Deque<int[]> todo = new ArrayDeque<>();
        for (int i = 0; i < requests; i++) {
            todo.add(random.ints(prompt, 100, 500).toArray());
        }
        List<Timed> all = new ArrayList<>();
        CountDownLatch left = new CountDownLatch(requests);
        long began = System.nanoTime();
        for (int i = 0; i < clients; i++) {
            Thread.ofVirtual().start(() -> {
                for (int[] next = take(todo); next != null; next = take(todo)) {
                    Timed sink = bench.submit(next, 128);
                    synchronized (all) {
                        all.add(sink);
                    }
                    sink.done.join();
                    left.countDown();
                }
            });
        }
        try {
            left.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
        double seconds = (System.nanoTime() - began) / NANOS;
        double[] firsts = all.stream()
                .mapToDouble(sink -> (sink.first - sink.asked) / 1e6)
                .sorted()
                .toArray();
        double[] gaps = all.stream()
                .flatMap(sink -> {
                    List<Double> each = new ArrayList<>();
                    for (int i = 1; i < sink.times.size(); i++) {
                        each.add((sink.times.get(i) - sink.times.get(i - 1)) / 1e6);
                    }
                    return each.stream();
                })
                .mapToDouble(each -> each)
                .sorted()
                .toArray();
        row(
                "%s: %d clients, %d in, 128 out, steps of at most %d tokens | %.0f tok/s | TTFT p50 %.0f, p99 %.0f ms; ITL p50 %.1f, p99 %.1f ms",
                name,
                clients,
                prompt,
                chunk,
                requests * 128 / seconds,
                firsts[firsts.length / 2],
                firsts[firsts.length * 99 / 100],
                gaps[gaps.length / 2],
                gaps[gaps.length * 99 / 100]);
    }

    private static int[] take(Deque<int[]> todo) {
        synchronized (todo) {
            return todo.poll();
        }
    }

    private static List<int[]> prompts(int count, int length, long seed) {
        Random random = new Random(seed);
        List<int[]> all = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            all.add(random.ints(length, 100, 500).toArray());
        }
        return all;
    }

    private static double median(double[] values) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        return sorted.length == 0 ? Double.NaN : sorted[sorted.length / 2];
    }

    /** An engine over a model, mostly one of random weights. */
    private static final class Bench implements AutoCloseable {
        private final Checkpoint opened;
        private final Engine engine;
        private final String backend;
        private final double loadSeconds;
        private final Backend device;
        private final long before;
        private final long planned;

        Bench(String config, int length, int sequences, int tokens, Backend chosen) throws IOException {
            this(DummyFolder.open(folder(config)), length, sequences, tokens, chosen);
        }

        Bench(Checkpoint opened, int length, int sequences, int tokens, Backend chosen) {
            long began = System.nanoTime();
            device = chosen;
            this.opened = opened;
            Architecture architecture = Architecture.of(opened);
            backend = chosen.description();
            long room = architecture.cache(1).bytes();
            int wanted = Math.max(sequences * (Math.min(length, CONTEXT + 128) / KvCache.BLOCK_SIZE + 1), length / 16 + 1);
            OwnMemory memory = chosen.memory().orElse(null);
            before = memory == null ? 0 : memory.freeBytes();
            planned = memory == null ? 0 : architecture.bytes(memory, EngineOptions.mostStep(sequences, tokens)).all();
            int blocks = memory == null
                    ? wanted
                    : (int) Math.min(wanted, (memory.freeBytes() * 0.95 - planned) / room);
            engine = Engine.start(
                    new EngineOptions(
                            length, sequences, Math.max(tokens, sequences), blocks, 1024, 20, 0, Set.of(), false, false, null),
                    architecture,
                    chosen,
                    (_, _) -> {});
            engine.loaded().join();
            loadSeconds = (System.nanoTime() - began) / NANOS;
        }

        /** Between two steps, when nothing runs. */
        String memory() {
            OwnMemory memory = device.memory().orElseThrow();
            long cache = engine.options().blocks() * Architecture.of(opened).cache(1).bytes();
            return String.format(
                    Locale.ROOT,
                    "planned %d MiB and taken %d MiB beside a cache of %d MiB; free before %d MiB",
                    planned >> 20,
                    before - memory.freeBytes() - cache >> 20,
                    cache >> 20,
                    before >> 20);
        }

        Timed submit(int[] prompt, int tokens) {
            Timed sink = new Timed();
            engine.submit(
                    new GenerationRequest(
                            "bench", prompt, 0, Samplings.greedy().ends(0, true).value(), tokens),
                    sink);
            return sink;
        }

        void run(int[] prompt, int tokens) {
            submit(prompt, tokens).done.join();
        }

        List<List<Integer>> ids(List<int[]> prompts, int tokens) {
            List<Timed> sinks =
                    prompts.stream().map(prompt -> submit(prompt, tokens)).toList();
            sinks.forEach(sink -> sink.done.join());
            return sinks.stream().map(sink -> List.copyOf(sink.ids)).toList();
        }

        List<TokenLogprobs> scores(int[] prompt) {
            Collected collected = new Collected();
            Sampling scoring = Samplings.greedy()
                    .ends(0, true)
                    .logprobs(OptionalInt.empty(), OptionalInt.of(0))
                    .value();
            engine.submit(new GenerationRequest("score", prompt, 0, scoring, 1), collected);
            collected.completion();
            return collected.promptLogprobs();
        }

        @Override
        public void close() {
            engine.close();
            opened.close();
        }
    }

    /** When tokens came, and which. */
    private static final class Timed implements TokenSink {
        private final CompletableFuture<Void> done = new CompletableFuture<>();
        private final List<Long> times = new ArrayList<>();
        private final List<Integer> ids = new ArrayList<>();
        private final long asked = System.nanoTime();
        private long first;

        @Override
        public void promptLogprobs(List<TokenLogprobs> logprobs) {}

        @Override
        public void token(int id, TokenLogprobs logprobs, Completion completion) {
            long now = System.nanoTime();
            first = first == 0 ? now : first;
            times.add(now);
            ids.add(id);
            if (completion != null) {
                finished(completion);
            }
        }

        @Override
        public void finished(Completion completion) {
            done.complete(null);
        }

        @Override
        public void failed(EngineException reason) {
            done.completeExceptionally(reason);
        }
    }
}
