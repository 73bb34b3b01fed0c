package dev.skein.compute.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.compute.Backend;
import dev.skein.compute.ComputeException;
import dev.skein.compute.cpu.JavaBackend;
import dev.skein.compute.cuda.CudaBackends.Device;
import java.util.List;
import org.junit.jupiter.api.Test;

class CudaBackendsTest {
    private static final CudaProbe ABSENT = CudaProbe.probe("libcuda_of_no_machine.so.1");
    private static final CudaBackends.How HOW = new CudaBackends.How(true, false);
    private static final CudaProbe PRESENT =
            new CudaProbe.Present(List.of(new CudaDevice(0, "some", 9, 0, 132, 1L << 30)), 13000);

    @Test
    void theProcessorIsTakenWhenItIsAskedFor() {
        try (Backend backend = CudaBackends.choose(Device.CPU, HOW, JavaBackend::new)) {
            assertThat(backend).isInstanceOf(JavaBackend.class);
        }
    }

    @Test
    void autoFallsBack() {
        try (Backend backend = CudaBackends.choose(Device.AUTO, ABSENT, true, HOW, JavaBackend::new)) {
            assertThat(backend).isInstanceOf(JavaBackend.class);
        }
        try (Backend backend = CudaBackends.choose(Device.AUTO, PRESENT, false, HOW, JavaBackend::new)) {
            assertThat(backend).isInstanceOf(JavaBackend.class);
        }
    }

    @Test
    void aGpuThatWasAskedForAndIsNotThereIsAnError() {
        assertThatThrownBy(() -> CudaBackends.choose(Device.CUDA, ABSENT, true, HOW, JavaBackend::new))
                .isInstanceOf(ComputeException.class)
                .hasMessage("cuda was asked for, but no NVIDIA driver: libcuda_of_no_machine.so.1 cannot be opened;"
                        + " auto falls back to the processor");
        assertThatThrownBy(() -> CudaBackends.choose(Device.CUDA, PRESENT, false, HOW, JavaBackend::new))
                .hasMessageContaining("built without CUDA kernels: nvcc was missing when the build ran");
    }

    @Test
    void anOldGpuIsNotUsable() {
        assertThat(new CudaDevice(0, "old", 7, 5, 40, 1L << 30).usable()).isFalse();
        assertThat(new CudaDevice(0, "new", 12, 0, 40, 1L << 30).usable()).isTrue();
    }
}
