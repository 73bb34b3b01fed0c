package dev.skein.protocol.tls;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.PrivateKey;
import java.security.SecureRandom;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.HexFormat;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// The authority of a cluster: signs a certificate for each machine. Who has its key can join the cluster's machines.
///
/// It lives in a folder as `ca.pem` and `ca-key.pem`; each machine has a folder in it with `ca.pem`, `cert.pem` and
/// `key.pem`, which is all that the machine needs. Only the user who made them may read them. Keys are on the curve
/// P-256. Not for several threads or processes at once.
public final class Authority {
    /// Days that an authority lasts.
    public static final int DAYS = 3650;

    private static final String CERTIFICATE = "ca.pem";
    private static final String KEY = "ca-key.pem";
    private static final String MACHINE_CERTIFICATE = "cert.pem";
    private static final String MACHINE_KEY = "key.pem";
    private static final int NUMBER_BYTES = 4;

    /// Every machine may be called by these by itself.
    private static final List<String> SELF = List.of("localhost", "127.0.0.1");

    private static final String ADDRESS = "[0-9]{1,3}(\\.[0-9]{1,3}){3}";
    private static final String LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
    private static final String HOST = LABEL + "(\\." + LABEL + ")*";
    private static final int LONGEST_HOST = 253;

    private final Path folder;
    private final X509Certificate certificate;
    private final PrivateKey key;

    private Authority(Path folder, X509Certificate certificate, PrivateKey key) {
        this.folder = folder;
        this.certificate = certificate;
        this.key = key;
    }

    /// Whether a folder holds an authority, or a part of one.
    public static boolean isIn(Path folder) {
        return Files.exists(folder.resolve(CERTIFICATE)) || Files.exists(folder.resolve(KEY));
    }

    /// The authority that a folder holds.
    ///
    /// @throws IllegalArgumentException if it holds none, or a part of one
    public static Authority open(Path folder) {
        X509Certificate certificate =
                Pem.certificates("the authority", folder.resolve(CERTIFICATE)).getFirst();
        PrivateKey key = Pem.key(
                "the authority's key",
                folder.resolve(KEY),
                certificate.getPublicKey().getAlgorithm());
        return new Authority(folder, certificate, key);
    }

    /// Makes an authority, and its folder where there is none.
    ///
    /// @throws IllegalArgumentException if one is there already
    public static Authority make(Path folder) {
        if (isIn(folder)) {
            throw new IllegalArgumentException("%s holds an authority already".formatted(folder));
        }
        makeFolder(folder);
        try (Keytool keytool = new Keytool(folder)) {
            byte[] number = new byte[NUMBER_BYTES];
            new SecureRandom().nextBytes(number);
            Keytool.Pair made = keytool.make(
                    "CN=Skein authority " + HexFormat.of().formatHex(number),
                    DAYS,
                    List.of("bc:critical=ca:true,pathlen:0", "ku:critical=keyCertSign,cRLSign"));
            // The key last: with it the authority is whole.
            write(folder.resolve(CERTIFICATE), Pem.of(made.certificate()));
            write(folder.resolve(KEY), Pem.of(made.key()));
            return new Authority(folder, made.certificate(), made.key());
        }
    }

    public Path certificate() {
        return folder.resolve(CERTIFICATE);
    }

    public Path key() {
        return folder.resolve(KEY);
    }

    /// When it ends.
    public Instant end() {
        return certificate.getNotAfter().toInstant();
    }

    /// Makes a key and a certificate for a machine, for both ends of a connection.
    ///
    /// @param names addresses and host names by which others dial the machine; its folder has the first
    /// @param days that it lasts
    /// @throws IllegalArgumentException if a name is none, if the machine has a certificate already, or if this
    ///     authority ends before
    public TlsFiles sign(List<String> names, int days) {
        requireNew(folder, names);
        requireLasting(days);
        Path target = folder.resolve(names.getFirst());
        Set<String> all = new LinkedHashSet<>(names);
        all.addAll(SELF);
        try (Keytool keytool = new Keytool(folder)) {
            keytool.take(certificate, key);
            Keytool.Pair made = keytool.make(
                    "CN=" + names.getFirst(),
                    days,
                    List.of(
                            "ku:critical=digitalSignature",
                            "eku=serverAuth,clientAuth",
                            "san=" + all.stream().map(Authority::alternative).collect(Collectors.joining(","))));
            Path draft = Files.createTempDirectory(folder, ".draft", only("rwx------"));
            write(draft.resolve(CERTIFICATE), Pem.of(certificate));
            write(draft.resolve(MACHINE_CERTIFICATE), Pem.of(made.certificate()));
            write(draft.resolve(MACHINE_KEY), Pem.of(made.key()));
            Files.move(draft, target, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write " + target, e);
        }
        return new TlsFiles(
                target.resolve(CERTIFICATE), target.resolve(MACHINE_CERTIFICATE), target.resolve(MACHINE_KEY));
    }

    /// @throws IllegalArgumentException if [#sign] of an authority in this folder would refuse these names
    public static void requireNew(Path folder, List<String> names) {
        if (names.isEmpty()) {
            throw new IllegalArgumentException("a machine needs a name or an address");
        }
        names.forEach(Authority::requireName);
        Path target = folder.resolve(names.getFirst());
        if (Files.exists(target)) {
            throw new IllegalArgumentException(
                    "%s is there already; take it away to make another certificate for that machine".formatted(target));
        }
    }

    private void requireLasting(int days) {
        long most = Duration.between(Instant.now(), end()).toDays();
        if (most < 1) {
            throw new IllegalArgumentException(
                    "the authority %s ends on %s, too soon to sign; make another in another folder"
                            .formatted(certificate(), end()));
        }
        if (days < 1 || days > most) {
            throw new IllegalArgumentException(
                    "%d days are asked for; a certificate may last from 1 to %d, as its authority %s ends on %s"
                            .formatted(days, most, certificate(), end()));
        }
    }

    /// Names go into file names and into an argument in which commas and colons mean something.
    private static void requireName(String name) {
        boolean address = name.matches(ADDRESS);
        boolean right = address
                ? Stream.of(name.split("\\.")).mapToInt(Integer::parseInt).allMatch(part -> part < 256)
                : name.matches(HOST) && name.length() <= LONGEST_HOST;
        if (!right) {
            throw new IllegalArgumentException(
                    "'%s' is neither an IPv4 address nor a host name, such as 10.0.0.1 or node3.example"
                            .formatted(name));
        }
    }

    private static String alternative(String name) {
        return (name.matches(ADDRESS) ? "ip:" : "dns:") + name;
    }

    private static void makeFolder(Path folder) {
        try {
            if (!Files.isDirectory(folder)) {
                Files.createDirectories(folder, only("rwx------"));
            }
        } catch (IOException e) {
            throw new UncheckedIOException("cannot make the folder " + folder, e);
        }
    }

    private static void write(Path file, String text) {
        try {
            Files.createFile(file, only("rw-------"));
            Files.writeString(file, text, StandardOpenOption.WRITE);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write " + file, e);
        }
    }

    private static FileAttribute<Set<PosixFilePermission>> only(String permissions) {
        return PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(permissions));
    }
}
