package dev.skein.protocol.tls;

import io.vertx.core.http.ClientAuth;
import io.vertx.core.http.HttpClientOptions;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.core.net.KeyCertOptions;
import io.vertx.core.net.TrustOptions;
import java.io.IOException;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.SecureRandom;
import java.security.Signature;
import java.security.cert.CertificateException;
import java.security.cert.CertificateExpiredException;
import java.security.cert.CertificateNotYetValidException;
import java.security.cert.CertificateParsingException;
import java.security.cert.X509Certificate;
import java.util.List;
import java.util.Set;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509KeyManager;
import javax.net.ssl.X509TrustManager;
import org.jspecify.annotations.Nullable;

/// How a process speaks with the others of its cluster: by TLS 1.3 with certificates on both sides, or as it is. Safe
/// for several threads.
public final class Encryption {
    /// Nothing is encrypted.
    public static final Encryption NONE = new Encryption(null);

    private static final String PROTOCOL = "TLSv1.3";
    private static final String SERVES = "1.3.6.1.5.5.7.3.1";
    private static final String CALLS = "1.3.6.1.5.5.7.3.2";
    private static final String ANYTHING = "2.5.29.37.0";
    private static final int SIGNS = 0;

    /// The store is in memory alone; Java wants a password for it all the same.
    private static final char[] PASSWORD = "no secret".toCharArray();

    private final @Nullable Credentials credentials;

    /// @param own shows this process's certificate
    /// @param trusted knows those of the authority
    /// @param context of both
    private record Credentials(X509KeyManager own, X509TrustManager trusted, SSLContext context) {}

    private Encryption(@Nullable Credentials credentials) {
        this.credentials = credentials;
    }

    /// Reads certificates.
    ///
    /// @throws IllegalArgumentException if one is not there, is none, is over, is for something else, or does
    ///     not fit the others; the message names the flag and the file
    public static Encryption of(TlsFiles files) {
        List<X509Certificate> authorities = Pem.certificates(TlsFiles.AUTHORITY, files.authority());
        List<X509Certificate> chain = Pem.certificates(TlsFiles.CERTIFICATE, files.certificate());
        X509Certificate own = chain.getFirst();
        PrivateKey key = Pem.key(TlsFiles.KEY, files.key(), own.getPublicKey().getAlgorithm());
        authorities.forEach(authority -> requireAuthority(files, authority));
        requireNow(TlsFiles.CERTIFICATE + " " + files.certificate(), own);
        requireBothUses(files, own);
        requireFit(files, own, key);
        Credentials credentials = credentials(authorities, chain, key);
        requireSigned(files, chain, credentials.trusted);
        return new Encryption(credentials);
    }

    /// Whether anything is encrypted.
    public boolean isOn() {
        return credentials != null;
    }

    /// For a server: it takes only calls with a certificate of the authority.
    ///
    /// @return `options`, changed unless this is [#NONE]
    public HttpServerOptions on(HttpServerOptions options) {
        if (credentials != null) {
            options.setSsl(true)
                    .setUseAlpn(true)
                    .setKeyCertOptions(KeyCertOptions.wrap(credentials.own))
                    .setTrustOptions(TrustOptions.wrap(credentials.trusted))
                    .setClientAuth(ClientAuth.REQUIRED)
                    .setEnabledSecureTransportProtocols(Set.of(PROTOCOL));
        }
        return options;
    }

    /// For a client: it speaks only to who shows a certificate of the authority for the address that is dialled.
    ///
    /// @return `options`, changed unless this is [#NONE]
    public HttpClientOptions on(HttpClientOptions options) {
        if (credentials != null) {
            options.setSsl(true)
                    .setUseAlpn(true)
                    .setVerifyHost(true)
                    .setKeyCertOptions(KeyCertOptions.wrap(credentials.own))
                    .setTrustOptions(TrustOptions.wrap(credentials.trusted))
                    .setEnabledSecureTransportProtocols(Set.of(PROTOCOL));
        }
        return options;
    }

    /// For connections that are not HTTP; null where nothing is encrypted. Who takes engines of it has to ask for the
    /// other end's certificate, and for TLS 1.3.
    public @Nullable SSLContext context() {
        return credentials == null ? null : credentials.context;
    }

    /// Why a connection was not made, for people: of TLS the innermost reason, as what is around it tells nothing.
    public static String reason(@Nullable Throwable error) {
        if (!(error instanceof SSLException)) {
            return String.valueOf(error);
        }
        Throwable inner = error;
        while (inner.getCause() != null) {
            inner = inner.getCause();
        }
        return "no TLS with it: " + inner.getMessage();
    }

    private static Credentials credentials(
            List<X509Certificate> authorities, List<X509Certificate> chain, PrivateKey key) {
        try {
            X509KeyManager own = own(chain, key);
            X509TrustManager trusted = trusted(authorities);
            SSLContext context = SSLContext.getInstance(PROTOCOL);
            context.init(new X509KeyManager[] {own}, new X509TrustManager[] {trusted}, new SecureRandom());
            return new Credentials(own, trusted, context);
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("this Java cannot use certificates that it has read", e);
        }
    }

    private static X509KeyManager own(List<X509Certificate> chain, PrivateKey key) throws GeneralSecurityException {
        KeyStore store = store();
        store.setKeyEntry("own", key, PASSWORD, chain.toArray(X509Certificate[]::new));
        KeyManagerFactory factory = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        factory.init(store, PASSWORD);
        return (X509KeyManager) factory.getKeyManagers()[0];
    }

    private static X509TrustManager trusted(List<X509Certificate> authorities) throws GeneralSecurityException {
        KeyStore store = store();
        for (X509Certificate authority : authorities) {
            store.setCertificateEntry("authority" + store.size(), authority);
        }
        TrustManagerFactory factory = TrustManagerFactory.getInstance("PKIX");
        factory.init(store);
        return (X509TrustManager) factory.getTrustManagers()[0];
    }

    private static KeyStore store() throws GeneralSecurityException {
        try {
            KeyStore store = KeyStore.getInstance("PKCS12");
            store.load(null, null);
            return store;
        } catch (IOException e) {
            throw new IllegalStateException("an empty store cannot be made", e);
        }
    }

    // What is refused before the first connection, for an engine's own words name no file

    private static void requireAuthority(TlsFiles files, X509Certificate authority) {
        String name = TlsFiles.AUTHORITY + " " + files.authority();
        if (authority.getBasicConstraints() < 0) {
            throw new IllegalArgumentException("%s holds %s, which is no authority and may sign nothing"
                    .formatted(name, authority.getSubjectX500Principal()));
        }
        requireNow(name, authority);
    }

    private static void requireNow(String name, X509Certificate certificate) {
        try {
            certificate.checkValidity();
        } catch (CertificateExpiredException e) {
            throw new IllegalArgumentException(
                    "%s ended on %s; skein cert makes another"
                            .formatted(name, certificate.getNotAfter().toInstant()),
                    e);
        } catch (CertificateNotYetValidException e) {
            throw new IllegalArgumentException(
                    "%s begins on %s; is the clock of this machine right?"
                            .formatted(name, certificate.getNotBefore().toInstant()),
                    e);
        }
    }

    private static void requireBothUses(TlsFiles files, X509Certificate own) {
        List<String> uses = uses(own);
        boolean signs = own.getKeyUsage() == null || own.getKeyUsage()[SIGNS];
        if (!signs || uses != null && !uses.contains(ANYTHING) && !uses.containsAll(List.of(SERVES, CALLS))) {
            throw new IllegalArgumentException(
                    "%s %s is for something else: its key must be for signatures, and the certificate for TLS servers and"
                                    .formatted(TlsFiles.CERTIFICATE, files.certificate())
                            + " clients, since each machine is both");
        }
    }

    private static @Nullable List<String> uses(X509Certificate certificate) {
        try {
            return certificate.getExtendedKeyUsage();
        } catch (CertificateParsingException e) {
            return List.of();
        }
    }

    private static void requireFit(TlsFiles files, X509Certificate own, PrivateKey key) {
        try {
            Signature signature = Signature.getInstance(signature(key.getAlgorithm()));
            signature.initSign(key);
            signature.update(own.getSignature());
            byte[] signed = signature.sign();
            signature.initVerify(own.getPublicKey());
            signature.update(own.getSignature());
            if (signature.verify(signed)) {
                return;
            }
        } catch (GeneralSecurityException e) {
            throw new IllegalArgumentException(
                    "%s %s cannot be used: %s".formatted(TlsFiles.KEY, files.key(), e.getMessage()), e);
        }
        throw new IllegalArgumentException("%s %s is not the key of %s %s"
                .formatted(TlsFiles.KEY, files.key(), TlsFiles.CERTIFICATE, files.certificate()));
    }

    private static String signature(String algorithm) {
        return algorithm.startsWith("Ed") ? algorithm : "SHA256with" + (algorithm.equals("EC") ? "ECDSA" : algorithm);
    }

    private static void requireSigned(TlsFiles files, List<X509Certificate> chain, X509TrustManager trusted) {
        try {
            trusted.checkServerTrusted(chain.toArray(X509Certificate[]::new), "UNKNOWN");
        } catch (CertificateException e) {
            throw new IllegalArgumentException(
                    "%s %s is not signed by the authority in %s %s: %s"
                            .formatted(
                                    TlsFiles.CERTIFICATE,
                                    files.certificate(),
                                    TlsFiles.AUTHORITY,
                                    files.authority(),
                                    e.getMessage()),
                    e);
        }
    }
}
