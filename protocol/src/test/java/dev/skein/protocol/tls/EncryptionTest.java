package dev.skein.protocol.tls;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vertx.core.Vertx;
import io.vertx.core.http.HttpClient;
import io.vertx.core.http.HttpClientOptions;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.core.http.HttpVersion;
import io.vertx.core.net.TrustOptions;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Files that do not do, and ends that do not trust each other.
class EncryptionTest {
    private static final int DAYS = 30;
    private static final Vertx VERTX = Vertx.vertx();

    @TempDir
    static Path folder;

    private static TlsFiles machine;
    private static TlsFiles other;
    private static TlsFiles stranger;
    private static int port;

    @BeforeAll
    static void listen() throws Exception {
        Authority authority = Authority.make(folder.resolve("ours"));
        machine = authority.sign(List.of("10.0.0.1"), DAYS);
        other = authority.sign(List.of("10.0.0.2"), DAYS);
        stranger = Authority.make(folder.resolve("theirs")).sign(List.of("10.0.0.1"), DAYS);
        port = listen("127.0.0.1", 0);
        // Where no certificate names it.
        listen("127.0.0.2", port);
    }

    private static int listen(String host, int port) throws Exception {
        return VERTX.createHttpServer(Encryption.of(machine)
                        .on(new HttpServerOptions().setHost(host).setPort(port)))
                .requestHandler(request -> request.response().end("geese"))
                .listen()
                .toCompletionStage()
                .toCompletableFuture()
                .get(30, TimeUnit.SECONDS)
                .actualPort();
    }

    @AfterAll
    static void close() {
        VERTX.close().toCompletionStage().toCompletableFuture().join();
    }

    private static String ask(HttpClientOptions options, String host) throws Exception {
        HttpClient client = VERTX.createHttpClient(options.setProtocolVersion(HttpVersion.HTTP_2)
                .setHttp2ClearTextUpgrade(false)
                .setConnectTimeout(5_000));
        try {
            return client.request(HttpMethod.GET, port, host, "/")
                    .compose(request -> request.send())
                    .compose(response -> response.body())
                    .toCompletionStage()
                    .toCompletableFuture()
                    .get(30, TimeUnit.SECONDS)
                    .toString();
        } finally {
            client.close();
        }
    }

    private static void assertRefused(HttpClientOptions options, String host) {
        assertThatThrownBy(() -> ask(options, host)).isInstanceOf(ExecutionException.class);
    }

    // Ends

    @Test
    void machinesOfOneAuthoritySpeak() throws Exception {
        assertThat(ask(Encryption.of(other).on(new HttpClientOptions()), "127.0.0.1"))
                .isEqualTo("geese");
    }

    @Test
    void whoDoesNotEncryptIsRefused() {
        assertRefused(Encryption.NONE.on(new HttpClientOptions()), "127.0.0.1");
    }

    @Test
    void whoHasACertificateOfAnotherAuthorityIsRefused() throws Exception {
        // Even where it trusts the server.
        TlsFiles forged =
                new TlsFiles(Files.write(folder.resolve("both.pem"), both()), stranger.certificate(), stranger.key());
        assertRefused(Encryption.of(forged).on(new HttpClientOptions()), "127.0.0.1");
        assertThatThrownBy(() -> ask(Encryption.of(stranger).on(new HttpClientOptions()), "127.0.0.1"))
                .rootCause()
                .hasMessageContaining("unable to find valid certification path");
    }

    private static byte[] both() throws IOException {
        return (Files.readString(stranger.authority()) + Files.readString(machine.authority()))
                .getBytes(StandardCharsets.US_ASCII);
    }

    @Test
    void whoHasNoCertificateIsRefused() {
        assertRefused(trusting().setEnabledSecureTransportProtocols(Set.of("TLSv1.3")), "127.0.0.1");
    }

    @Test
    void whoSpeaksAnOlderTlsIsRefused() {
        assertRefused(
                Encryption.of(other).on(new HttpClientOptions()).setEnabledSecureTransportProtocols(Set.of("TLSv1.2")),
                "127.0.0.1");
    }

    @Test
    void anAddressThatTheCertificateDoesNotNameIsRefused() {
        assertThatThrownBy(() -> ask(Encryption.of(other).on(new HttpClientOptions()), "127.0.0.2"))
                .cause()
                .satisfies(error -> assertThat(Encryption.reason(error))
                        .isEqualTo("no TLS with it: No subject alternative names matching IP address 127.0.0.2 found"));
    }

    private static HttpClientOptions trusting() {
        try {
            KeyStore store = KeyStore.getInstance("PKCS12");
            store.load(null, null);
            store.setCertificateEntry(
                    "it", Pem.certificates("it", machine.authority()).getFirst());
            TrustManagerFactory factory = TrustManagerFactory.getInstance("PKIX");
            factory.init(store);
            return new HttpClientOptions()
                    .setSsl(true)
                    .setUseAlpn(true)
                    .setTrustOptions(TrustOptions.wrap((X509TrustManager) factory.getTrustManagers()[0]));
        } catch (IOException | GeneralSecurityException e) {
            throw new IllegalStateException(e);
        }
    }

    // Files

    private static TlsFiles with(Path authority, Path certificate, Path key) {
        return new TlsFiles(authority, certificate, key);
    }

    private static void assertRefused(TlsFiles files, String... words) {
        assertThatThrownBy(() -> Encryption.of(files))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContainingAll(words);
    }

    private static Path file(String text) throws IOException {
        return Files.writeString(Files.createTempFile(folder, "hostile", ".pem"), text);
    }

    @Test
    void filesThatCannotBeReadAreNamed() throws IOException {
        Path none = folder.resolve("none.pem");
        assertRefused(with(none, machine.certificate(), machine.key()), "--tls-ca " + none + " is not there");
        assertRefused(with(machine.authority(), folder, machine.key()), "--tls-cert " + folder + " cannot be read");
        assertRefused(with(machine.authority(), machine.certificate(), none), "--tls-key " + none + " is not there");
        Path endless = Path.of("/dev/zero");
        assertRefused(with(endless, machine.certificate(), machine.key()), "--tls-ca /dev/zero is longer than");
        assertRefused(with(file(""), machine.certificate(), machine.key()), "holds no certificate as PEM");
        assertRefused(with(machine.authority(), machine.key(), machine.key()), "--tls-cert", "holds no certificate");
        assertRefused(with(machine.authority(), machine.certificate(), machine.certificate()), "holds no private key");
    }

    @ParameterizedTest
    @CsvSource({
        "CERTIFICATE,--tls-cert,holds a certificate that cannot be read",
        "PRIVATE KEY,--tls-key,holds no private key of the certificate's kind",
        "EC PRIVATE KEY,--tls-key,openssl pkcs8 -topk8 -nodes",
        "ENCRYPTED PRIVATE KEY,--tls-key,without a password",
    })
    void blocksThatHoldSomethingElseAreNamed(String label, String flag, String words) throws IOException {
        Path file = file("-----BEGIN %s-----\nZ29vc2U=\n-----END %s-----\n".formatted(label, label));
        TlsFiles files = label.equals("CERTIFICATE")
                ? with(machine.authority(), file, machine.key())
                : with(machine.authority(), machine.certificate(), file);
        assertRefused(files, flag + " " + file, words);
    }

    @Test
    void filesThatDoNotFitEachOtherAreNamed() {
        assertRefused(
                with(machine.authority(), machine.certificate(), other.key()),
                "--tls-key " + other.key() + " is not the key of --tls-cert " + machine.certificate());
        assertRefused(
                with(stranger.authority(), machine.certificate(), machine.key()),
                "--tls-cert " + machine.certificate() + " is not signed by the authority in --tls-ca");
        assertRefused(
                with(machine.certificate(), machine.certificate(), machine.key()),
                "--tls-ca",
                "CN=10.0.0.1, which is no authority");
    }

    /// @param days that it lasts; 0 is over by now
    private static TlsFiles made(int days, String use) throws IOException {
        Path ours = folder.resolve("ours");
        try (Keytool keytool = new Keytool(folder)) {
            keytool.take(
                    Pem.certificates("it", ours.resolve("ca.pem")).getFirst(),
                    Pem.key("it", ours.resolve("ca-key.pem"), "EC"));
            Keytool.Pair made = keytool.make("CN=it", days, List.of("eku=" + use, "san=ip:127.0.0.1"));
            return with(machine.authority(), file(Pem.of(made.certificate())), file(Pem.of(made.key())));
        }
    }

    @Test
    void certificatesThatAreOverOrForSomethingElseAreRefused() throws IOException {
        assertRefused(made(DAYS, "serverAuth"), "is for something else", "servers and clients");
        assertRefused(made(0, "serverAuth,clientAuth"), " ended on ", "skein cert makes another");
    }

    @Test
    void someOfTheFilesAreNotEnough() {
        assertThat(TlsFiles.of(null, null, null)).isEmpty();
        assertThat(TlsFiles.of("a", "b", "c")).contains(with(Path.of("a"), Path.of("b"), Path.of("c")));
        assertThatThrownBy(() -> TlsFiles.of("a", null, "c"))
                .hasMessageContaining("--tls-ca and --tls-key without --tls-cert: ");
    }
}
