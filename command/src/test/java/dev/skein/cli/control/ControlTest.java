package dev.skein.cli.control;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.cli.CommandException;
import dev.skein.cli.model.SkeinHome;
import dev.skein.protocol.v1.Deployment;
import dev.skein.protocol.v1.RolloutAction;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ControlTest {
    @TempDir
    private Path folder;

    @Test
    void aServerIsFoundByItsUserAlone() throws Exception {
        SkeinHome home = new SkeinHome(folder);
        assertThatThrownBy(() -> ServerFile.find(home, null))
                .isInstanceOf(CommandException.class)
                .hasMessageContaining("no server of this user runs here; start one with skein serve");
        ServerFile one = new ServerFile(8000, ProcessHandle.current().pid(), 4711, "secret");
        one.write(home);
        assertThat(ServerFile.find(home, null)).isEqualTo(one);
        assertThat(ServerFile.find(home, 8000)).isEqualTo(one);
        assertThat(PosixFilePermissions.toString(
                        Files.getPosixFilePermissions(home.servers().resolve("8000.json"))))
                .isEqualTo("rw-------");
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(home.servers())))
                .isEqualTo("rwx------");
        assertThatThrownBy(() -> ServerFile.find(home, 8001)).hasMessageContaining("on port 8001");
        assertThat(one.toString()).doesNotContain("secret");

        ServerFile other = new ServerFile(8001, ProcessHandle.current().pid(), 4712, "secret");
        other.write(home);
        assertThatThrownBy(() -> ServerFile.find(home, null)).hasMessageContaining("--server PORT");
        one.delete(home);
        assertThat(ServerFile.find(home, null)).isEqualTo(other);
    }

    @Test
    void theFileOfADeadServerDoesNotCount() throws Exception {
        SkeinHome home = new SkeinHome(folder);
        Process dead = new ProcessBuilder("true").start();
        dead.waitFor();
        new ServerFile(8000, dead.pid(), 4711, "secret").write(home);
        assertThatThrownBy(() -> ServerFile.find(home, null)).hasMessageContaining("no server");
    }

    @Test
    void wishesAreRead() {
        assertThat(ScaleCommand.request("chat=3").getReplicas()).isEqualTo(3);
        assertThat(ScaleCommand.request("a.b-c=0").getName()).isEqualTo("a.b-c");
        for (String wrong : new String[] {"chat", "chat=", "=3", "chat=-1", "chat=many"}) {
            assertThatThrownBy(() -> ScaleCommand.request(wrong)).hasMessageContaining("'" + wrong + "'");
        }
        assertThat(RolloutCommand.action("Undo")).isEqualTo(RolloutAction.ROLLOUT_ACTION_UNDO);
        assertThatThrownBy(() -> RolloutCommand.action("redo")).hasMessageContaining("'redo'");
    }

    @Test
    void aDeploymentIsOneLine() {
        Deployment deployment = Deployment.newBuilder()
                .setName("chat")
                .setReplicas(3)
                .setReady(2)
                .setUpdatedReady(1)
                .setRevision(4)
                .setRevisionKey("abc")
                .build();
        assertThat(SchedulerCalls.line(deployment))
                .isEqualTo("chat: under way, 2 of 3 groups ready, 1 of revision 4 (abc)");
        assertThat(SchedulerCalls.line(deployment.toBuilder().setStalled(true).build()))
                .contains("stalled");
    }
}
