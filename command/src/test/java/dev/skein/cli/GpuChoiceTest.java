package dev.skein.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.compute.cuda.CudaDevice;
import dev.skein.scheduler.agent.Gpu;
import java.util.List;
import org.junit.jupiter.api.Test;

class GpuChoiceTest {
    private static final List<CudaDevice> DEVICES = List.of(device(0), device(1), device(2));

    @Test
    void groupsMayOwnAllOrSomeOrThese() {
        assertThat(ids("all")).containsExactly("0", "1", "2");
        assertThat(ids("2")).containsExactly("0", "1");
        assertThat(ids("0")).isEmpty();
        assertThat(ids("ids=2,0")).containsExactly("0", "2");
        assertThat(ids("ids=1")).containsExactly("1");
    }

    @Test
    void refusesWhatIsNotThere() {
        assertThatThrownBy(() -> ids("4")).hasMessage("--gpus asks for 4; this machine has 0,1,2");
        assertThatThrownBy(() -> ids("ids=1,7")).hasMessage("--gpus asks for 1,7; this machine has 0,1,2");
        assertThatThrownBy(() -> GpuChoice.of("1").of(List.of()))
                .hasMessage("--gpus asks for 1; this machine has none that can be used");
        for (String wrong : List.of("", "-1", "ids=", "ids=1,,2", "some")) {
            assertThatThrownBy(() -> ids(wrong)).hasMessageContaining("--gpus is '" + wrong + "'; write all, a number");
        }
    }

    /// What CUDA calls 0 in a process that sees some only is another one to a child that is told of its own.
    @Test
    void namesGpusAsAChildMust() {
        assertThat(GpuChoice.named(DEVICES, "5, 3,GPU-8a")).extracting(Gpu::id).containsExactly("5", "3", "GPU-8a");
    }

    private static List<String> ids(String text) {
        return GpuChoice.of(text).of(GpuChoice.named(DEVICES, "")).stream()
                .map(Gpu::id)
                .toList();
    }

    private static CudaDevice device(int ordinal) {
        return new CudaDevice(ordinal, "card", 9, 0, 132, 80L << 30);
    }
}
