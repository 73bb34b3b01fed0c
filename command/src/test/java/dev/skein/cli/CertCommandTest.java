package dev.skein.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.cli.settings.TlsSettings;
import dev.skein.protocol.tls.TlsFiles;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CertCommandTest {
    @TempDir
    private Path parent;

    private void make(String... machines) {
        assertThat(CertCommand.run(arguments(machines))).isZero();
    }

    private List<String> arguments(String... machines) {
        return Stream.concat(Stream.of("--out", parent.resolve("certs").toString()), Stream.of(machines))
                .toList();
    }

    private TlsFiles of(String machine) {
        Path folder = parent.resolve("certs").resolve(machine);
        return new TlsFiles(folder.resolve("ca.pem"), folder.resolve("cert.pem"), folder.resolve("key.pem"));
    }

    @Test
    void whatItMakesIsWhatTheFlagsWant() {
        make("10.0.0.1", "10.0.0.2,node2.example");
        make("node3.example");
        for (String machine : List.of("10.0.0.1", "10.0.0.2", "node3.example")) {
            assertThat(TlsSettings.read(of(machine)).isOn()).isTrue();
        }
        assertThat(of("10.0.0.1").authority())
                .hasSameBinaryContentAs(of("node3.example").authority());
    }

    @Test
    void whereOneMachineCannotBeAddedNoneIs() {
        make("10.0.0.1");
        assertThatThrownBy(() -> CertCommand.run(arguments("10.0.0.2", "10.0.0.1")))
                .isInstanceOf(CommandException.class)
                .hasMessageContaining("10.0.0.1 is there already");
        assertThat(parent.resolve("certs/10.0.0.2")).doesNotExist();
        assertThatThrownBy(() -> CertCommand.run(arguments("10.0.0.2", "10.0.0.2")))
                .hasMessage("10.0.0.2 is named twice; each machine has a name of its own");
        assertThatThrownBy(() -> CertCommand.run(arguments("--days", "9999", "10.0.0.3")))
                .hasMessageContaining("9999 days are asked for");
    }

    @Test
    void aNameThatIsNoneLeavesNothingBehind() {
        assertThatThrownBy(() -> CertCommand.run(arguments("10.0.0.1", "../x")))
                .hasMessageContaining("'../x' is neither an IPv4 address nor a host name");
        assertThat(parent.resolve("certs")).doesNotExist();
    }

    @Test
    void theEnvironmentSaysWhatTheFlagsDoNot() throws Exception {
        Map<String, String> environment =
                Map.of("SKEIN_TLS_CA", "ca", "SKEIN_TLS_CERT", "cert", "SKEIN_TLS_KEY", "key");
        assertThat(TlsSettings.of(null, "mine", null, environment))
                .contains(new TlsFiles(Path.of("ca"), Path.of("mine"), Path.of("key")));
        assertThat(TlsSettings.of(null, null, null, Map.of())).isEmpty();
        Path config = Files.writeString(parent.resolve("gateway.yaml"), "tls-ca: a\ntls_cert: b\ntls-key: c\n");
        assertThat(TlsSettings.of(ServeCommand.settings(List.of("--config", config.toString()), TlsSettings.ALL)))
                .contains(new TlsFiles(Path.of("a"), Path.of("b"), Path.of("c")));
        assertThatThrownBy(() -> TlsSettings.of("ca", null, null, Map.of()))
                .isInstanceOf(CommandException.class)
                .hasMessageContaining("--tls-ca without --tls-cert and --tls-key");
        assertThatThrownBy(() -> TlsSettings.read(of("none"))).hasMessageContaining("is not there");
    }
}
