package dev.skein.compute.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.compute.ComputeException;
import dev.skein.compute.cuda.CudaContext.DeviceMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class CudaContextTest {
    private final Arena arena = Arena.ofConfined();
    private CudaContext context;
    private CudaStream stream;

    @BeforeEach
    void open() {
        context = TestDevice.open();
        stream = context.stream();
    }

    @AfterEach
    void close() {
        if (context != null) {
            context.close();
        }
        arena.close();
    }

    @Test
    void aLibraryThatIsNotThereIsAReason() {
        assertThat(CudaProbe.probe("libcuda_of_no_machine.so.1"))
                .isEqualTo(new CudaProbe.Absent("no NVIDIA driver: libcuda_of_no_machine.so.1 cannot be opened"));
    }

    @Test
    void aDeviceIsDescribed() {
        CudaDevice device = context.device();
        assertThat(CudaProbe.probe())
                .isInstanceOfSatisfying(
                        CudaProbe.Present.class,
                        present -> assertThat(present.devices()).contains(device));
        assertThat(device.major()).isGreaterThanOrEqualTo(CudaDevice.OLDEST_MAJOR);
        assertThat(device.multiprocessors()).isPositive();
        assertThat(context.freeBytes()).isBetween(1L, device.bytes());
    }

    @Test
    void memoryGoesUpAndDown() {
        MemorySegment up = context.allocatePinned(40);
        MemorySegment down = context.allocatePinned(24);
        for (int i = 0; i < 10; i++) {
            up.setAtIndex(ValueLayout.JAVA_INT, i, 100 + i);
        }
        DeviceMemory memory = context.allocate(56);
        stream.fill(memory, 0);
        stream.copyUp(up, memory, 8);
        stream.copyDown(memory, 4, down);
        stream.synchronize();
        assertThat(down.toArray(ValueLayout.JAVA_INT)).containsExactly(0, 100, 101, 102, 103, 104);
    }

    @Test
    void copiesStayWithinTheirMemory() {
        DeviceMemory memory = context.allocate(16);
        MemorySegment host = arena.allocate(16);
        assertThatThrownBy(() -> stream.copyUp(host, memory, 1))
                .isInstanceOf(IndexOutOfBoundsException.class)
                .hasMessage("16 bytes at 1 of 16 on the device");
        assertThatThrownBy(() -> stream.copyDown(memory, -1, host)).isInstanceOf(IndexOutOfBoundsException.class);
    }

    @Test
    void whatDoesNotFitSaysHowMuchIsFree() {
        long free = context.freeBytes();
        assertThatThrownBy(() -> context.allocate(1L << 50))
                .isInstanceOfSatisfying(
                        ComputeException.class, e -> assertThat(e.fatal()).isFalse())
                .hasMessageContaining("cuMemAlloc_v2 failed: CUDA_ERROR_OUT_OF_MEMORY (2), out of memory")
                .hasMessageContaining("asked for 1,125,899,906,842,624 bytes, free are");
        assertThat(context.freeBytes()).isEqualTo(free);
    }

    @Test
    void closingFreesAllThatWasMade() {
        long before = context.freeBytes();
        context.allocate(1 << 20);
        context.close();
        context.close();
        context = TestDevice.open();
        assertThat(context.freeBytes()).isGreaterThanOrEqualTo(before);
    }

    @Test
    void anotherThreadIsRefused() throws InterruptedException {
        AtomicReference<Throwable> thrown = new AtomicReference<>();
        Thread other = Thread.ofPlatform().start(() -> {
            try {
                context.allocate(1);
            } catch (WrongThreadException e) {
                thrown.set(e);
            }
        });
        other.join();
        assertThat(thrown.get()).hasMessageStartingWith("a CUDA context of ");
    }

    @Test
    void eventsTellWhenAndHowLong() {
        CudaEvent from = context.event();
        CudaEvent to = context.event();
        DeviceMemory memory = context.allocate(1 << 20);
        stream.record(from);
        stream.fill(memory, 1);
        stream.record(to);
        CudaStream other = context.stream();
        other.await(to);
        other.synchronize();
        assertThat(to.done()).isTrue();
        to.synchronize();
        assertThat(to.millisecondsSince(from)).isGreaterThanOrEqualTo(0);
    }
}
