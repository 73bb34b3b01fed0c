import dev.skein.compute.ElementType;
import dev.skein.compute.cuda.CudaBackends;
import dev.skein.worker.engine.Collected;
import dev.skein.worker.engine.Generation;
import dev.skein.worker.engine.GenerationRequest;
import dev.skein.worker.engine.Sampling;
import dev.skein.worker.engine.Samplings;
import dev.skein.worker.engine.TestEngine;
import dev.skein.worker.model.FamilyModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.Random;
import java.util.concurrent.locks.LockSupport;

/**
 * Random schedules on a GPU, to be watched by compute-sanitizer: small models, engines of random sizes, and requests that come at
 * random times, wait, are preempted, are cancelled. In the mode of the same bits each must get the ids that it got alone. Arguments:
 * {@code schedules}, seconds, and a seed, if a run is to be repeated; it is printed.
 */
public final class Schedules {
    private static final int REQUESTS = 24;
    private static final int LENGTH = 128;
    private static final int LONGEST_PROMPT = 70;
    private static final int LONGEST_OUTPUT = 20;
    private static final int A_ENGINE = 100;
    private static final int MOST_TOGETHER = 6;
    private static final int IDS = 120;
    private static final List<String> FAMILIES = List.of("qwen3", "gemma3", "qwen3moe", "mistral");

    private final Random random;
    private final long until;
    private int schedules;
    private int requests;
    private int cancelled;
    private int wrong;

    private Schedules(long seed, double seconds) {
        random = new Random(seed);
        until = System.nanoTime() + (long) (seconds * 1e9);
    }

    /** What is asked, and what it got alone. */
    private record Known(int[] prompt, Sampling sampling, List<Integer> ids) {}

    public static void main(String[] arguments) throws IOException {
        long seed = arguments.length > 2 ? Long.parseLong(arguments[2]) : System.nanoTime();
        Schedules all = new Schedules(seed, Double.parseDouble(arguments[1]));
        for (int family = 0; !all.late(); family++) {
            all.run(FAMILIES.get(family % FAMILIES.size()));
        }
        System.out.printf(
                "| random schedules | %s | %d of %d requests, %d of them cancelled; seed %d |%n",
                all.wrong == 0 ? "same ids" : all.wrong + " OTHER IDS", all.schedules, all.requests, all.cancelled, seed);
        System.exit(all.wrong == 0 && all.schedules > 0 ? 0 : 1);
    }

    private boolean late() {
        return System.nanoTime() > until;
    }

    private void run(String family) throws IOException {
        FamilyModel model = new FamilyModel(family);
        Path path = model.folder(Files.createTempDirectory(family), ElementType.F32);
        List<Known> known = new ArrayList<>();
        try (TestEngine engine = engine(path, new TestEngine.Size(8, 128, 256, 100), false)) {
            for (int i = 0; i < REQUESTS && !late(); i++) {
                int[] prompt = random.ints(1 + random.nextInt(LONGEST_PROMPT), 3, IDS).toArray();
                Sampling sampling = sampling(i);
                Collected alone = engine.submit(prompt, sampling, LONGEST_OUTPUT);
                alone.completion();
                known.add(new Known(prompt, sampling, alone.ids()));
            }
        }
        for (int engines = 0; engines < 4 && !late(); engines++) {
            int sequences = 1 + random.nextInt(8);
            int tokens = sequences + random.nextInt(60);
            // From few enough to preempt to enough for all.
            int blocks = LENGTH / 16 + random.nextInt(40);
            try (TestEngine engine =
                    engine(path, new TestEngine.Size(sequences, tokens, blocks, 100), random.nextBoolean())) {
                for (int i = 0; i < A_ENGINE && !late(); i++) {
                    schedule(engine, known);
                }
            }
        }
    }

    private static TestEngine engine(Path path, TestEngine.Size size, boolean graphs) {
        return new TestEngine(path, size, LENGTH, CudaBackends.ofRank(0, new CudaBackends.How(graphs, true)));
    }

    private static Sampling sampling(int which) {
        Samplings all = Samplings.greedy().ends(0, true);
        return switch (which % 3) {
            case 0 -> all.value();
            case 1 -> all.random(1, OptionalLong.of(which)).value();
            default -> all.penalties(1.2f, 0.1f, 0.1f).value();
        };
    }

    /** @param tokens it may have at most; fewer if it was cancelled */
    private record Asked(Known known, int tokens, boolean cancelled, Collected answer) {}

    private void schedule(TestEngine engine, List<Known> known) {
        schedules++;
        List<Asked> asked = new ArrayList<>();
        for (int left = 1 + random.nextInt(MOST_TOGETHER); left > 0; left--) {
            asked.add(ask(engine, known.get(random.nextInt(known.size()))));
            if (random.nextInt(3) == 0) {
                LockSupport.parkNanos(random.nextInt(3_000_000));
            }
        }
        asked.forEach(this::compare);
    }

    private Asked ask(TestEngine engine, Known known) {
        int tokens = 1 + random.nextInt(LONGEST_OUTPUT);
        Collected answer = new Collected();
        Generation generation = engine.engine()
                .submit(new GenerationRequest("schedule", known.prompt, 0, known.sampling, tokens), answer);
        boolean cancelled = random.nextInt(8) == 0;
        if (cancelled) {
            LockSupport.parkNanos(random.nextInt(3_000_000));
            generation.cancel();
        }
        return new Asked(known, tokens, cancelled, answer);
    }

    /** One that was cancelled says nothing more, also not that it has ended. */
    private void compare(Asked asked) {
        requests++;
        cancelled += asked.cancelled ? 1 : 0;
        if (!asked.cancelled) {
            asked.answer.completion();
        }
        List<Integer> ids = asked.answer.ids();
        int expected = asked.cancelled ? ids.size() : Math.min(asked.tokens, asked.known.ids.size());
        if (!ids.equals(asked.known.ids.subList(0, expected))) {
            wrong++;
            System.err.printf("schedule %d: %s, alone %s%n", schedules, ids, asked.known.ids);
        }
    }
}
