package dev.skein.protocol.tls;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.cert.CertificateEncodingException;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Certificates and keys as text. Messages of errors begin with what names the file, such as a flag.
final class Pem {
    /// A chain of certificates is some kilobytes.
    private static final int MOST_BYTES = 1 << 20;

    private static final int LINE = 64;
    private static final String CERTIFICATE = "CERTIFICATE";
    private static final String KEY = "PRIVATE KEY";

    private static final Pattern KEYS = Pattern.compile("-----BEGIN ([A-Z ]*" + KEY + ")-----([^-]*)");

    private Pem() {}

    /// All certificates of a file, in their order; at least one.
    ///
    /// @throws IllegalArgumentException if it cannot be read, or holds something else
    static List<X509Certificate> certificates(String name, Path file) {
        String text = text(name, file);
        if (!text.contains("-----BEGIN " + CERTIFICATE + "-----")) {
            throw wrong(name, file, "holds no certificate as PEM, which begins with -----BEGIN CERTIFICATE-----");
        }
        try {
            return CertificateFactory.getInstance("X.509")
                    .generateCertificates(new ByteArrayInputStream(text.getBytes(StandardCharsets.ISO_8859_1)))
                    .stream()
                    .map(X509Certificate.class::cast)
                    .toList();
        } catch (CertificateException e) {
            throw new IllegalArgumentException(
                    "%s %s holds a certificate that cannot be read: %s".formatted(name, file, e.getMessage()), e);
        }
    }

    /// The private key of a file.
    ///
    /// @param algorithm of the public key that it should fit
    /// @throws IllegalArgumentException if it cannot be read, or holds something else
    static PrivateKey key(String name, Path file, String algorithm) {
        Matcher found = KEYS.matcher(text(name, file));
        if (!found.find()) {
            throw wrong(name, file, "holds no private key as PEM, which begins with -----BEGIN PRIVATE KEY-----");
        }
        if (!found.group(1).equals(KEY)) {
            throw wrong(
                    name,
                    file,
                    "is of the kind '%s'; only '%s', without a password, is read: openssl pkcs8 -topk8 -nodes -in %s makes it one"
                            .formatted(found.group(1), KEY, file));
        }
        try {
            byte[] bytes = Base64.getMimeDecoder().decode(found.group(2));
            return KeyFactory.getInstance(algorithm).generatePrivate(new PKCS8EncodedKeySpec(bytes));
        } catch (GeneralSecurityException | IllegalArgumentException e) {
            throw new IllegalArgumentException(
                    "%s %s holds no private key of the certificate's kind, %s: %s"
                            .formatted(name, file, algorithm, e.getMessage()),
                    e);
        }
    }

    private static String text(String name, Path file) {
        try (InputStream in = Files.newInputStream(file)) {
            byte[] bytes = in.readNBytes(MOST_BYTES + 1);
            if (bytes.length > MOST_BYTES) {
                throw wrong(name, file, "is longer than %d bytes: it is no PEM file".formatted(MOST_BYTES));
            }
            return new String(bytes, StandardCharsets.ISO_8859_1);
        } catch (NoSuchFileException e) {
            throw new IllegalArgumentException("%s %s is not there".formatted(name, file), e);
        } catch (AccessDeniedException e) {
            throw new IllegalArgumentException("%s %s may not be read by this user".formatted(name, file), e);
        } catch (IOException e) {
            throw new IllegalArgumentException("%s %s cannot be read: %s".formatted(name, file, e.getMessage()), e);
        }
    }

    private static IllegalArgumentException wrong(String name, Path file, String what) {
        return new IllegalArgumentException("%s %s %s".formatted(name, file, what));
    }

    static String of(X509Certificate certificate) {
        try {
            return block(CERTIFICATE, certificate.getEncoded());
        } catch (CertificateEncodingException e) {
            throw new IllegalStateException("a certificate cannot be written", e);
        }
    }

    static String of(PrivateKey key) {
        return block(KEY, key.getEncoded());
    }

    private static String block(String label, byte[] bytes) {
        String body = Base64.getMimeEncoder(LINE, new byte[] {'\n'}).encodeToString(bytes);
        return "-----BEGIN " + label + "-----\n" + body + "\n-----END " + label + "-----\n";
    }
}
