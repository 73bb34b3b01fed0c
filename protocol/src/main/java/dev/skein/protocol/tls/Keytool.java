package dev.skein.protocol.tls;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.SecureRandom;
import java.security.cert.Certificate;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;

/// Java's own tool for certificates, which every JDK has, with a store of its own that is gone afterwards: Java reads
/// and checks certificates, and has no public class that makes them.
final class Keytool implements AutoCloseable {
    private static final String SIGNER = "authority";
    private static final String MADE = "made";
    private static final String PASSWORD = "SKEIN_KEYTOOL_PASSWORD";
    private static final int PASSWORD_BYTES = 16;

    private final Path folder;
    private final Path store;
    private final String password;
    private boolean signs;

    /// A key with the certificate of its public half.
    record Pair(X509Certificate certificate, PrivateKey key) {}

    /// @param beside where its folder is made for a while
    Keytool(Path beside) {
        try {
            folder = Files.createTempDirectory(
                    beside,
                    ".keytool",
                    PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write in " + beside, e);
        }
        store = folder.resolve("store.p12");
        byte[] bytes = new byte[PASSWORD_BYTES];
        new SecureRandom().nextBytes(bytes);
        password = HexFormat.of().formatHex(bytes);
    }

    /// Signs with this what is made from now on, which else signs itself.
    void take(X509Certificate certificate, PrivateKey key) {
        try (OutputStream out = Files.newOutputStream(store)) {
            KeyStore keys = KeyStore.getInstance("PKCS12");
            keys.load(null, null);
            keys.setKeyEntry(SIGNER, key, password.toCharArray(), new Certificate[] {certificate});
            keys.store(out, password.toCharArray());
            signs = true;
        } catch (IOException | GeneralSecurityException e) {
            throw new IllegalStateException("cannot hand the authority's key to keytool", e);
        }
    }

    /// Makes a key and its certificate.
    ///
    /// @param days that it lasts from now; it began a day ago, for machines whose clock is behind
    /// @param extensions as keytool's `-ext` takes them
    Pair make(String subject, int days, List<String> extensions) {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
                "-genkeypair",
                "-alias",
                MADE,
                "-keyalg",
                "EC",
                "-groupname",
                "secp256r1",
                "-dname",
                subject,
                "-startdate",
                "-1d",
                "-validity",
                Integer.toString(days + 1),
                "-storetype",
                "PKCS12",
                "-keystore",
                store.toString(),
                "-storepass:env",
                PASSWORD));
        if (signs) {
            command.addAll(List.of("-signer", SIGNER));
        }
        extensions.forEach(extension -> command.addAll(List.of("-ext", extension)));
        run(command);
        return made();
    }

    private void run(List<String> command) {
        try {
            ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
            builder.environment().put(PASSWORD, password);
            Process process = builder.start();
            process.getOutputStream().close();
            String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            if (process.waitFor() != 0) {
                throw new IllegalStateException("keytool failed: " + said.strip());
            }
        } catch (IOException e) {
            throw new IllegalStateException("keytool, a part of the JDK, cannot be started: " + e.getMessage(), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while keytool made a certificate", e);
        }
    }

    private Pair made() {
        try (InputStream in = Files.newInputStream(store)) {
            KeyStore keys = KeyStore.getInstance("PKCS12");
            keys.load(in, password.toCharArray());
            return new Pair((X509Certificate) keys.getCertificate(MADE), (PrivateKey)
                    keys.getKey(MADE, password.toCharArray()));
        } catch (IOException | GeneralSecurityException e) {
            throw new IllegalStateException("what keytool made cannot be read", e);
        }
    }

    /// Removes what it wrote.
    @Override
    public void close() {
        try {
            Files.deleteIfExists(store);
            Files.delete(folder);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot remove " + folder, e);
        }
    }
}
