package dev.skein.cli;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.protocol.v1.DeploymentSpec;
import dev.skein.protocol.v1.RestartPolicy;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DeploymentFileTest {
    @TempDir
    private Path folder;

    private Path model;

    @BeforeEach
    void makeModel() throws IOException {
        model = Files.write(folder.resolve("My Model.Q4_1.gguf"), Arrays.copyOf("GGUF".getBytes(US_ASCII), 1000));
    }

    private List<DeploymentSpec> read(String yaml) throws IOException {
        return DeploymentFile.read(Files.writeString(folder.resolve("deployment.yaml"), yaml.formatted(model)));
    }

    @Test
    void holdsModelsWithTheirGroupsAndSettings() throws Exception {
        List<DeploymentSpec> all = read("""
                models:
                  - name: chat
                    model: "%1$s"
                    replicas: 3
                    scale-to-zero-after: 600
                    threads: 2
                    max_num_seqs: 16
                    kv-cache-memory-bytes: 1G
                    max-unavailable: 25%%
                    max-surge: 2
                    partition: 1
                    restart-policy: None
                    recover-seconds: 5
                    drain-seconds: 7
                  - model: "%1$s"
                    served-model-name: [one, two]
                """);
        DeploymentSpec chat = all.getFirst();
        assertThat(chat.getName()).isEqualTo("chat");
        assertThat(chat.getServedNamesList()).containsExactly("chat");
        assertThat(chat.getReplicas()).isEqualTo(3);
        assertThat(chat.getScaleToZeroMillis()).isEqualTo(600_000);
        assertThat(chat.getThreads()).isEqualTo(2);
        assertThat(chat.getBytes()).isEqualTo((1L << 30) + 1000);
        assertThat(chat.getMaxUnavailable()).isEqualTo("25%");
        assertThat(chat.getMaxSurge()).isEqualTo("2");
        assertThat(chat.getPartition()).isEqualTo(1);
        assertThat(chat.getRestartPolicy()).isEqualTo(RestartPolicy.RESTART_POLICY_NONE);
        assertThat(chat.getRecoverMillis()).isEqualTo(5_000);
        assertThat(chat.getDrainMillis()).isEqualTo(7_000);
        assertThat(WorkerParameters.decode(chat.getParameters()).maxNumSeqs()).isEqualTo(16);
        DeploymentSpec other = all.getLast();
        assertThat(other.getName()).isEqualTo("one");
        assertThat(other.getServedNamesList()).containsExactly("one", "two");
        assertThat(other.getReplicas()).isEqualTo(1);
        assertThat(other.getScaleToZeroMillis()).isZero();
    }

    @Test
    void aRankOnAGpuTakesItWholeAndACore() throws Exception {
        DeploymentSpec spec = read("""
                models:
                  - model: "%1$s"
                    device: cuda
                    kv-cache-memory-bytes: 1G
                """).getFirst();
        assertThat(spec.getGpus()).isEqualTo(1);
        assertThat(spec.getGpuBytes()).isEqualTo((1L << 30) + 1000);
        assertThat(spec.getThreads()).isEqualTo(1);
        assertThat(spec.getBytes()).isZero();
    }

    @Test
    void theRanksOfAStageBelongOnOneHost() throws Exception {
        DeploymentSpec spec = read("""
                models:
                  - model: "%1$s"
                    tensor-parallel-size: 2
                    pipeline-parallel-size: 3
                    threads: 1
                """).getFirst();
        assertThat(spec.getSize()).isEqualTo(6);
        assertThat(spec.getTensor()).isEqualTo(2);
        assertThat(spec.getGpus()).isZero();
    }

    @Test
    void saysWhatIsWrongAndWhere() {
        refuses("models: []", "holds no list 'models'");
        refuses("- model: x", "holds no list 'models'");
        refuses("models:\n  - just words", "each of 'models' is a mapping");
        refuses("models:\n  - {model: \"%s\", port: 80}", "'port' is nothing that a model has");
        refuses("models:\n  - {model: \"%s\", replicas: many}", "--replicas");
        refuses("models:\n  - {model: \"%s\", partition: -1}", "partition is '-1'");
        refuses("models:\n  - {model: \"%s\", restart-policy: Always}", "restart-policy is 'Always'");
        refuses(
                "models:\n  - {model: \"%s\", startup-policy: LeaderReady, tensor-parallel-size: 2}",
                "LeaderReady waits for ever with 2 ranks");
        refuses("models: [", "is not YAML");
    }

    private void refuses(String yaml, String words) {
        assertThatThrownBy(() -> read(yaml))
                .isInstanceOf(CommandException.class)
                .hasMessageContaining(words);
    }

    @Test
    void groupsAreNamedByWhatOfTheModelCanBeAName() {
        assertThat(Deployments.name("/models/SmolLM2-135M-Instruct.Q4_1.gguf")).isEqualTo("smollm2-135m-instruct.q4_1");
        assertThat(Deployments.name("Org/Name:Q8")).isEqualTo("name-q8");
        assertThat(Deployments.name("folder/")).isEqualTo("folder");
        assertThat(Deployments.name("???")).isEqualTo("model");
        assertThat(Deployments.name("x".repeat(80))).hasSize(63);
    }
}
