package dev.skein.cli.train;

import static org.assertj.core.api.Assertions.assertThat;

import dev.skein.worker.model.Architecture;
import dev.skein.worker.model.GgufCheckpoint;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TrainingModelTest {
    @TempDir
    private Path folder;

    @Test
    void isAModelThatTheWorkerReads() throws Exception {
        Path path = folder.resolve("training.gguf");
        TrainingModel.write(path);
        assertThat(Files.size(path)).isLessThan(2_000_000);
        try (GgufCheckpoint file = GgufCheckpoint.open(path)) {
            assertThat(Architecture.of(file).contextLength()).isEqualTo(2048);
            assertThat(file.metadata().text("tokenizer.chat_template"))
                    .hasValueSatisfying(text -> assertThat(text).contains("<|im_start|>"));
        }
    }
}
