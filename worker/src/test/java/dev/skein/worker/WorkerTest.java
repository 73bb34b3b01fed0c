package dev.skein.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.compute.ElementType;
import dev.skein.compute.cuda.CudaBackends.Device;
import dev.skein.worker.model.TinyLlama;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class WorkerTest {
    @TempDir
    private Path folder;

    private Path tiny() {
        return TinyLlama.of(ElementType.Q4_0, 1).write(folder.resolve("tiny.gguf"));
    }

    private static WorkerOptions options(Path model) {
        return options(model, 0, 0, 0);
    }

    private static WorkerOptions options(Path model, int maxModelLen, long kvCacheBytes, int port) {
        return new WorkerOptions(
                model,
                LoadFormat.AUTO,
                1,
                "java",
                new DeviceOptions(Device.CPU, 0.9, false, false),
                maxModelLen,
                4,
                64,
                kvCacheBytes,
                10,
                true,
                false,
                null,
                20,
                1,
                GroupOptions.ALONE,
                "127.0.0.1",
                port,
                "token");
    }

    @Test
    void servesOnAGpu() {
        try (EmulatedGpu gpu = EmulatedGpu.orSkip()) {
            Path file = TinyLlama.wide(ElementType.Q4_1, ElementType.Q6_K, 1).write(folder.resolve("wide.gguf"));
            assertThat(served(file, Device.CUDA)).startsWith("cuda emulated");
            assertThat(served(file, Device.AUTO)).startsWith("cuda emulated");
            assertThat(served(file, Device.CPU)).startsWith("plain Java");
            assertThat(served(tiny(), Device.AUTO)).as("heads of 16").startsWith("plain Java");
            assertThat(refused(tiny(), Device.CUDA))
                    .isEqualTo("--device cuda: heads of 16 elements; the CUDA kernels have those of"
                            + " [32, 64, 80, 96, 128, 256]; auto falls back to the processor");
        }
    }

    @Test
    void withoutAGpuAutoTakesTheProcessorAndCudaSaysWhy() {
        String before = System.setProperty("skein.libcuda", "libcuda_of_no_machine.so.1");
        try {
            assertThat(served(tiny(), Device.AUTO)).startsWith("plain Java");
            assertThat(refused(tiny(), Device.CUDA))
                    .isEqualTo("--device cuda: cuda was asked for, but no NVIDIA driver: libcuda_of_no_machine.so.1"
                            + " cannot be opened; auto falls back to the processor");
        } finally {
            if (before == null) {
                System.clearProperty("skein.libcuda");
            } else {
                System.setProperty("skein.libcuda", before);
            }
        }
    }

    /** What a worker says that it computes with. */
    private static String served(Path model, Device device) {
        List<WorkerListener.Event> events = new CopyOnWriteArrayList<>();
        try (Worker worker = Worker.start(options(model, device), events::add)) {
            worker.ready().join();
        }
        return ((WorkerListener.Ready) events.getLast()).backend();
    }

    private static String refused(Path model, Device device) {
        try (Worker worker = Worker.start(options(model, device), _ -> {})) {
            return worker.failure().join();
        }
    }

    private static WorkerOptions options(Path model, Device device) {
        return options(model, 64, 1 << 20, 0).withDevice(new DeviceOptions(device, 0.5, false, false));
    }

    @Test
    void startsAndCloses() {
        List<WorkerListener.Event> events = new CopyOnWriteArrayList<>();
        try (Worker worker = Worker.start(options(tiny()), events::add)) {
            worker.ready().join();
            assertThat(worker.port()).isPositive();
            assertThat(worker.failure()).isNotDone();
        }
        assertThat(events.getLast()).isInstanceOf(WorkerListener.Ready.class);
    }

    @Test
    void saysWhyAModelCannotBeServed() throws IOException {
        assertFails(options(folder.resolve("none.gguf")), "there is no file");
        Path cut = Files.write(folder.resolve("cut.gguf"), Arrays.copyOf(Files.readAllBytes(tiny()), 5000));
        assertFails(options(cut), "cut.gguf: ");
        assertFails(options(tiny(), 300, 0, 0), "--max-model-len 300 is more than the model's context of 256 tokens");
        assertFails(
                options(tiny(), 0, 10 * 4096, 0),
                "the longest that fits has 160 tokens. Say --max-model-len 160 or auto");
    }

    private static void assertFails(WorkerOptions options, String reason) {
        List<WorkerListener.Event> events = new CopyOnWriteArrayList<>();
        try (Worker worker = Worker.start(options, events::add)) {
            assertThat(worker.failure().join()).contains(reason);
            assertThatThrownBy(() -> worker.ready().join()).hasMessageContaining(reason);
        }
        assertThat(events)
                .anySatisfy(event -> assertThat(event)
                        .isInstanceOfSatisfying(
                                WorkerListener.Failed.class,
                                failed -> assertThat(failed.reason()).contains(reason)));
    }

    @Test
    void saysThatAPortIsTaken() throws IOException {
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            WorkerOptions options = options(tiny(), 0, 0, taken.getLocalPort());
            assertThatThrownBy(() -> Worker.start(options, _ -> {}))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("cannot listen on 127.0.0.1:%d".formatted(taken.getLocalPort()));
        }
    }

    @Test
    void optionsNameTheFlagThatIsWrong() {
        WorkerOptions good = WorkerOptions.of(Path.of("x"), "secret");
        assertThat(good.toString()).doesNotContain("secret");
        assertThatThrownBy(() -> good.withMaxModelLen(-2))
                .hasMessage("--max-model-len is -2; it may be from -1 to 2147483647");
        assertThatThrownBy(() -> good.withKvCacheBytes(-1)).hasMessageContaining("--kv-cache-memory-bytes is -1");
        assertThatThrownBy(() -> WorkerOptions.of(Path.of("x"), " ")).hasMessageContaining("token");
    }
}
