package dev.skein.worker.engine;

import dev.skein.compute.cuda.CudaBackends;
import dev.skein.worker.engine.TestEngine.Size;
import dev.skein.worker.model.RankCount;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** A rank that is not the leader, in a process of its own: on a GPU of its own, or beside the leader on the only one. */
public final class GpuRank implements AutoCloseable {
    private static final List<String> HANDED_ON = List.of("skein.libcuda", "skein.fatbin");

    private final Process process;

    /** Starts one of {@code tensor} ranks. */
    public GpuRank(
            Path model,
            Size size,
            int maxModelLen,
            int tensor,
            int rank,
            String group,
            Duration limit,
            boolean graphs) {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(List.of("-XX:+UseSerialGC", "--enable-native-access=ALL-UNNAMED"));
        for (String property : HANDED_ON) {
            String value = System.getProperty(property);
            if (value != null) {
                command.add("-D%s=%s".formatted(property, value));
            }
        }
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), GpuRank.class.getName()));
        command.addAll(List.of(
                model.toString(),
                Integer.toString(size.sequences()),
                Integer.toString(size.tokens()),
                Integer.toString(size.blocks()),
                Integer.toString(size.queued()),
                Integer.toString(maxModelLen),
                Integer.toString(tensor),
                Integer.toString(rank),
                group,
                Long.toString(limit.toMillis()),
                Boolean.toString(graphs)));
        try {
            process = new ProcessBuilder(command)
                    .redirectError(ProcessBuilder.Redirect.INHERIT)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .start();
        } catch (IOException failed) {
            throw new UncheckedIOException(failed);
        }
    }

    /** As {@code kill -9} does. */
    public void kill() {
        process.destroyForcibly();
    }

    /** Waits for its end; 0 if its leader said that there was no more to do. */
    public int end() throws InterruptedException {
        return process.waitFor();
    }

    @Override
    public void close() {
        process.destroyForcibly();
    }

    // In the process

    public static void main(String[] arguments) {
        int[] numbers = new int[7];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = Integer.parseInt(arguments[i + 1]);
        }
        TestEngine.follow(
                Path.of(arguments[0]),
                new Size(numbers[0], numbers[1], numbers[2], numbers[3]),
                numbers[4],
                new RankCount(numbers[5], 1),
                numbers[6],
                arguments[8],
                Duration.ofMillis(Long.parseLong(arguments[9])),
                CudaBackends.ofRank(numbers[6], new CudaBackends.How(Boolean.parseBoolean(arguments[10]), true)));
    }
}
