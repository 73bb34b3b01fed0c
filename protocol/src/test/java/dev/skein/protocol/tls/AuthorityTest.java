package dev.skein.protocol.tls;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class AuthorityTest {
    private static final int DAYS = 30;

    /// Not there before.
    @TempDir
    static Path parent;

    private static Path folder;
    private static TlsFiles made;

    @BeforeAll
    static void make() {
        folder = parent.resolve("certs");
        made = Authority.make(folder).sign(List.of("10.0.0.1", "node1.example"), DAYS);
    }

    private static X509Certificate certificate(Path file) {
        return Pem.certificates("it", file).getFirst();
    }

    @Test
    void aCertificateNamesTheMachineAndFitsBothEnds() throws Exception {
        X509Certificate certificate = certificate(made.certificate());
        certificate.verify(certificate(folder.resolve("ca.pem")).getPublicKey());
        assertThat(certificate.getSubjectAlternativeNames())
                .<Object>extracting(name -> name.get(1))
                .containsExactlyInAnyOrder("10.0.0.1", "node1.example", "localhost", "127.0.0.1");
        assertThat(certificate.getExtendedKeyUsage())
                .containsExactlyInAnyOrder("1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2");
        assertThat(certificate.getBasicConstraints()).isEqualTo(-1);
        assertThat(certificate.getPublicKey().getAlgorithm()).isEqualTo("EC");
        assertThat(Duration.between(Instant.now(), certificate.getNotAfter().toInstant()))
                .isBetween(Duration.ofDays(DAYS - 1), Duration.ofDays(DAYS));
        assertThat(Encryption.of(made).isOn()).isTrue();
    }

    @Test
    void onlyWhoMadeThemMayReadThem() throws Exception {
        try (Stream<Path> all = Files.walk(folder)) {
            assertThat(all)
                    .allSatisfy(path -> assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(path)))
                            .isEqualTo(Files.isDirectory(path) ? "rwx------" : "rw-------"));
        }
    }

    @Test
    void anAuthorityThatIsThereSignsForMoreMachines() throws Exception {
        byte[] before = Files.readAllBytes(folder.resolve("ca.pem"));
        TlsFiles second = Authority.open(folder).sign(List.of("node2"), DAYS);
        assertThat(Encryption.of(new TlsFiles(made.authority(), second.certificate(), second.key()))
                        .isOn())
                .isTrue();
        assertThat(Files.readAllBytes(folder.resolve("ca.pem"))).isEqualTo(before);
        assertThatThrownBy(() -> Authority.make(folder)).hasMessage(folder + " holds an authority already");
        try (Stream<Path> all = Files.list(folder)) {
            assertThat(all.map(path -> path.getFileName().toString()))
                    .containsExactlyInAnyOrder("ca.pem", "ca-key.pem", "10.0.0.1", "node2");
        }
    }

    @Test
    void nothingIsOverwritten() throws Exception {
        byte[] before = Files.readAllBytes(made.key());
        assertThatThrownBy(() -> Authority.open(folder).sign(List.of("10.0.0.1"), DAYS))
                .hasMessageContaining(folder.resolve("10.0.0.1") + " is there already; take it away");
        assertThat(Files.readAllBytes(made.key())).isEqualTo(before);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "..", "a/b", "300.1.1.1", "-x", "a,dns:b", "a b", "*.example", "::1", "x\n"})
    void whatIsNoNameIsRefused(String name) {
        assertThatThrownBy(() -> Authority.open(folder).sign(List.of("node9", name), DAYS))
                .hasMessage(
                        "'" + name + "' is neither an IPv4 address nor a host name, such as 10.0.0.1 or node3.example");
    }

    @ParameterizedTest
    @ValueSource(ints = {0, -1, Authority.DAYS + 1, Integer.MAX_VALUE})
    void noCertificateOutlastsItsAuthority(int days) {
        assertThatThrownBy(() -> Authority.open(folder).sign(List.of("node9"), days))
                .hasMessageContaining(days + " days are asked for; a certificate may last from 1 to ");
    }

    @Test
    void halfAnAuthorityIsRefused(@TempDir Path other) throws Exception {
        Files.copy(folder.resolve("ca.pem"), other.resolve("ca.pem"));
        assertThat(Authority.isIn(other)).isTrue();
        assertThatThrownBy(() -> Authority.open(other))
                .hasMessage("the authority's key " + other.resolve("ca-key.pem") + " is not there");
    }
}
