package dev.skein.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.worker.model.DeviceBytes;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

final class CapacityTest {
    private static final long MEBIBYTE = 1 << 20;
    private static final WorkerOptions DEFAULTS = WorkerOptions.of(Path.of("x"), "token");
    /** A block of 1 MiB, so that 16 tokens take one. */
    private static final Capacity.Needs NEEDS =
            new Capacity.Needs(8192, MEBIBYTE, DeviceBytes.of(80 * MEBIBYTE, 20 * MEBIBYTE), 10_000 * MEBIBYTE, null);

    @Test
    void takesFourGibibytesOrLess() {
        assertThat(Capacity.of(DEFAULTS, needs(100_000))).isEqualTo(new Capacity(8192, 4096));
        assertThat(Capacity.of(DEFAULTS, needs(10_000))).isEqualTo(new Capacity(8192, 4000));
        assertThat(Capacity.of(DEFAULTS.withKvCacheBytes(600 * MEBIBYTE), NEEDS))
                .isEqualTo(new Capacity(8192, 600));
    }

    private static Capacity.Needs needs(long freeMebibytes) {
        return new Capacity.Needs(
                8192, MEBIBYTE, DeviceBytes.of(80 * MEBIBYTE, 20 * MEBIBYTE), freeMebibytes * MEBIBYTE, null);
    }

    @Test
    void takesNoMoreThanAllSequencesCouldFill() {
        assertThat(Capacity.of(DEFAULTS.withMaxModelLen(20), NEEDS)).isEqualTo(new Capacity(20, 512));
    }

    @Test
    void saysHowLongASequenceMayBe() {
        WorkerOptions small = DEFAULTS.withKvCacheBytes(100 * MEBIBYTE);
        assertThatThrownBy(() -> Capacity.of(small, NEEDS))
                .hasMessageContaining("one sequence of 8192 tokens needs 512 MiB of cache and there are 100 MiB")
                .hasMessageContaining("--max-model-len 1600 or auto");
        assertThat(Capacity.of(small.withMaxModelLen(WorkerOptions.AUTO), NEEDS))
                .isEqualTo(new Capacity(1600, 100));
        assertThat(Capacity.of(DEFAULTS.withMaxModelLen(WorkerOptions.AUTO), NEEDS)
                        .maxModelLen())
                .isEqualTo(8192);
        assertThatThrownBy(() -> Capacity.of(DEFAULTS.withMaxModelLen(8193), NEEDS))
                .hasMessage("--max-model-len 8193 is more than the model's context of 8192 tokens");
    }

    /** Of 10,000 MiB others hold 1,000, and 500 are not to be touched. */
    @Test
    void takesWhatIsLeftOfAGpusShare() {
        assertThat(Capacity.of(DEFAULTS, onGpu(9_000, 0.95))).isEqualTo(new Capacity(8192, 8_400));
        assertThat(Capacity.of(DEFAULTS.withKvCacheBytes(600 * MEBIBYTE), onGpu(9_000, 0.01)))
                .isEqualTo(new Capacity(8192, 600));
    }

    @Test
    void saysWhatWouldMakeAModelFitOnAGpu() {
        assertThatThrownBy(() -> Capacity.of(DEFAULTS, onGpu(9_000, 0.1)))
                .hasMessage(
                        "the model does not fit on the GPU: weights take 80 MiB and steps 20 MiB, and of its 10,000 MiB,"
                                + " 9,000 MiB of them free, --gpu-memory-utilization 0.1 leaves 0 KiB. Raise that, lower"
                                + " --max-num-batched-tokens 2048 or --max-num-seqs 256, take weights of fewer bits, or say --device cpu");
        assertThatThrownBy(() -> Capacity.of(DEFAULTS, onGpu(9_000, 0.15)))
                .hasMessageContaining("one sequence of 8192 tokens needs 512 MiB of cache and there are 400 MiB")
                .hasMessageEndingWith("or give more with --gpu-memory-utilization, now 0.15");
    }

    @Test
    void saysWhatExpertsTakeOfAGpu() {
        Capacity.Needs mixed = new Capacity.Needs(
                8192,
                MEBIBYTE,
                new DeviceBytes(80 * MEBIBYTE, 20 * MEBIBYTE, 900 * MEBIBYTE),
                1_000 * MEBIBYTE,
                new Capacity.Share(1_000 * MEBIBYTE, 0.9));
        assertThatThrownBy(() -> Capacity.of(DEFAULTS, mixed))
                .hasMessageContaining(
                        "weights take 80 MiB and steps 20 MiB, those of experts 900 MiB, and of its 1,000 MiB");
    }

    private static Capacity.Needs onGpu(long freeMebibytes, double share) {
        return new Capacity.Needs(
                8192,
                MEBIBYTE,
                DeviceBytes.of(80 * MEBIBYTE, 20 * MEBIBYTE),
                freeMebibytes * MEBIBYTE,
                new Capacity.Share(10_000 * MEBIBYTE, share));
    }

    @Test
    void saysThatMemoryIsShort() {
        assertThatThrownBy(() -> Capacity.of(DEFAULTS.withKvCacheBytes(9_950 * MEBIBYTE), NEEDS))
                .hasMessageContaining(
                        "too little memory: weights and activations take 100 MiB and the cache 9,950 MiB, but 10,000 MiB are free");
    }

    @Test
    void someMemoryIsFree() {
        assertThat(FreeMemory.bytes()).isPositive();
    }
}
