package dev.skein.compute.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.compute.ComputeException;
import dev.skein.compute.cuda.CudaContext.DeviceMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class CudaKernelTest {
    private static final int COLUMNS = 3;

    private CudaContext context;
    private CudaStream stream;
    private CudaKernels kernels;

    @BeforeEach
    void open() {
        context = TestDevice.open();
        stream = context.stream();
        kernels = context.kernels(TestDevice.image(context));
    }

    @AfterEach
    void close() {
        if (context != null) {
            context.close();
        }
    }

    @Test
    void aKernelRunsWithItsParameters() {
        DeviceMemory out = context.allocate(2 * COLUMNS * 4);
        gather(kernels.kernel("skein_gather"), up(1f, 2f, 3f, 4f, 5f, 6f, 7f, 8f, 9f), up(2, 0), out);
        assertThat(down(out)).containsExactly(7f, 8f, 9f, 1f, 2f, 3f);
    }

    @Test
    void aGraphReadsWhatMemoryHoldsWhenItIsLaunched() {
        DeviceMemory x = up(1f, 2f, 3f, 4f, 5f, 6f, 7f, 8f, 9f);
        DeviceMemory rows = up(0, 0);
        DeviceMemory out = context.allocate(2 * COLUMNS * 4);
        stream.fill(out, 0);
        CudaKernel kernel = kernels.kernel("skein_gather");
        CudaGraph graph = stream.capture(() -> gather(kernel, x, rows, out));
        assertThat(down(out)).as("captured, not run").containsOnly(0f);
        stream.launch(graph);
        assertThat(down(out)).containsExactly(1f, 2f, 3f, 1f, 2f, 3f);
        MemorySegment others = context.allocatePinned(8);
        others.copyFrom(MemorySegment.ofArray(new int[] {1, 2}));
        stream.copyUp(others, rows, 0);
        stream.launch(graph);
        assertThat(down(out)).containsExactly(4f, 5f, 6f, 7f, 8f, 9f);
    }

    @Test
    void aFailedCaptureLeavesTheStreamUsable() {
        assertThatThrownBy(() -> stream.capture(() -> {
                    throw new IllegalStateException("on purpose");
                }))
                .hasMessage("on purpose");
        assertThatThrownBy(() -> stream.capture(stream::synchronize))
                .isInstanceOf(ComputeException.class)
                .hasMessageContaining("cuStreamSynchronize failed: CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED (900)");
        aKernelRunsWithItsParameters();
    }

    @Test
    void aKernelThatIsNotThereIsNamed() {
        assertThatThrownBy(() -> kernels.kernel("skein_nothing"))
                .isInstanceOf(ComputeException.class)
                .hasMessageContaining("kernel skein_nothing: cuLibraryGetKernel failed: CUDA_ERROR_NOT_FOUND (500)");
    }

    @Test
    void aLaunchBeyondTheLimitsFails() {
        CudaKernel kernel = kernels.kernel("skein_gather");
        DeviceMemory memory = context.allocate(64);
        kernel.with(memory).with(memory).with(1).with(memory).with(0);
        assertThatThrownBy(() -> kernel.launch(stream, 1, 2048))
                .isInstanceOfSatisfying(
                        ComputeException.class, e -> assertThat(e.fatal()).isFalse())
                .hasMessageContaining("cuLaunchKernelEx failed: CUDA_ERROR_INVALID_VALUE (1)");
    }

    @Test
    void kernelsUseNoLocalMemory() {
        for (String name : List.of("skein_matmul_8", "skein_matmul_many", "skein_attention_128", "skein_sample")) {
            assertThat(kernels.kernel(name).localBytes()).as(name).isZero();
        }
    }

    private void gather(CudaKernel kernel, DeviceMemory x, DeviceMemory rows, DeviceMemory out) {
        kernel.with(x).with(rows).with(1).with(out).with(COLUMNS).launch(stream, 2, 64);
    }

    private DeviceMemory up(float... values) {
        return up(MemorySegment.ofArray(values));
    }

    private DeviceMemory up(int... values) {
        return up(MemorySegment.ofArray(values));
    }

    private DeviceMemory up(MemorySegment values) {
        MemorySegment pinned = context.allocatePinned(values.byteSize());
        pinned.copyFrom(values);
        DeviceMemory memory = context.allocate(values.byteSize());
        stream.copyUp(pinned, memory, 0);
        return memory;
    }

    private float[] down(DeviceMemory memory) {
        MemorySegment pinned = context.allocatePinned(memory.bytes());
        stream.copyDown(memory, 0, pinned);
        stream.synchronize();
        return pinned.toArray(ValueLayout.JAVA_FLOAT);
    }
}
