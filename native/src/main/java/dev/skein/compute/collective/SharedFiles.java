package dev.skein.compute.collective;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.nio.file.StandardOpenOption.CREATE_NEW;
import static java.nio.file.StandardOpenOption.READ;
import static java.nio.file.StandardOpenOption.WRITE;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * How ranks of one host find each other: rank 0 makes a file that only its user may open, the others open it, and once all
 * are in rank 0 takes its name away, so nothing is left however they end.
 *
 * <p>A file is believed only when it holds the hash of the group's token; until then it is read, not mapped. Rank 0 also
 * removes files of groups whose rank 0 died before all had joined.
 */
final class SharedFiles {
    static final String PREFIX = "skein-collective-";

    private static final FileAttribute<?> OWN_ONLY =
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));
    private static final Duration LEFT_BEHIND = Duration.ofMinutes(1);
    private static final long ATTEMPT_NANOS = 1_000_000;
    /** Files being joined by this process: opening and closing one again would let go of the locks that it holds there. */
    private static final Set<Path> JOINING = ConcurrentHashMap.newKeySet();

    private final Membership membership;
    private final SharedLayout layout;
    private final List<Path> folders;
    private final long start = System.nanoTime();

    /** @param folders where the file may be; rank 0 takes the first that has room */
    SharedFiles(Membership membership, List<Path> folders) {
        this.membership = membership;
        this.layout = new SharedLayout(membership.size());
        this.folders = folders;
    }

    /** Memory where the system offers it as files, else temporary files. */
    static List<Path> defaultFolders() {
        return List.of(Path.of("/dev/shm"), Path.of(System.getProperty("java.io.tmpdir")));
    }

    /**
     * Meets all other ranks.
     *
     * @throws CollectiveException naming the first rank that did not come, or that is not of this group
     */
    SharedGroup join() {
        try {
            return membership.rank() == 0 ? create() : open();
        } catch (IOException e) {
            throw new UncheckedIOException("%s cannot meet the others in %s".formatted(membership, folders), e);
        }
    }

    // Rank 0

    private SharedGroup create() throws IOException {
        Path folder = folderWithRoom();
        Path file = folder.resolve(PREFIX + membership.group());
        removeLeftBehind(folder);
        if (isLeftBehind(file)) {
            Files.deleteIfExists(file);
        }
        FileChannel channel = newFile(file);
        JOINING.add(file);
        try {
            return meet(file, fill(channel));
        } catch (IOException | RuntimeException e) {
            channel.close();
            throw e;
        } finally {
            Files.deleteIfExists(file);
            JOINING.remove(file);
        }
    }

    private Path folderWithRoom() throws IOException {
        for (Path folder : folders) {
            if (Files.isWritable(folder) && Files.getFileStore(folder).getUsableSpace() > layout.bytes()) {
                return folder;
            }
        }
        throw new IOException("none of %s has room for %d bytes".formatted(folders, layout.bytes()));
    }

    private void removeLeftBehind(Path folder) throws IOException {
        Instant old = Instant.now().minus(LEFT_BEHIND);
        try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, PREFIX + "*")) {
            for (Path file : files) {
                if (Files.getLastModifiedTime(file, LinkOption.NOFOLLOW_LINKS)
                                .toInstant()
                                .isBefore(old)
                        && isLeftBehind(file)) {
                    Files.deleteIfExists(file);
                }
            }
        } catch (NoSuchFileException | DirectoryIteratorException e) {
            return; // another rank 0 removes them at the same time
        }
    }

    private static boolean isLeftBehind(Path file) throws IOException {
        if (JOINING.contains(file)) {
            return false;
        }
        try (FileChannel channel = FileChannel.open(file, READ, WRITE, LinkOption.NOFOLLOW_LINKS)) {
            return SharedGroup.isFree(channel, 0);
        } catch (IOException e) {
            return false;
        }
    }

    private static FileChannel newFile(Path file) throws IOException {
        try {
            return FileChannel.open(file, Set.of(CREATE_NEW, READ, WRITE), OWN_ONLY);
        } catch (FileAlreadyExistsException e) {
            throw new IOException("a group of this name is being joined already; each life of a group has its own", e);
        }
    }

    /** All of it is written once, so that no page can be missing when it is used. The magic number comes last. */
    private SharedGroup fill(FileChannel channel) throws IOException {
        ByteBuffer zeros = ByteBuffer.allocateDirect((int) SharedLayout.SLOT_BYTES);
        for (long at = 0; at < layout.bytes(); at += zeros.capacity()) {
            channel.write(zeros.limit((int) Math.min(zeros.capacity(), layout.bytes() - at)), at);
            zeros.clear();
        }
        SharedGroup group = new SharedGroup(channel, layout);
        group.write(SharedLayout.VERSION_AT, SharedLayout.VERSION);
        group.write(SharedLayout.SIZE_AT, membership.size());
        MemorySegment.copy(tokenHash(), 0, group.memory(), JAVA_BYTE, SharedLayout.TOKEN_AT, SharedLayout.TOKEN_BYTES);
        enter(group);
        group.publish(SharedLayout.MAGIC_AT, SharedLayout.MAGIC);
        return group;
    }

    // The others

    private SharedGroup open() throws IOException {
        while (true) {
            for (Path folder : folders) {
                Path file = folder.resolve(PREFIX + membership.group());
                SharedGroup group = open(file);
                if (group != null) {
                    return meetAt(file, group);
                }
            }
            if (isOver()) {
                throw new CollectiveException(0, missing(0));
            }
            nap();
        }
    }

    private SharedGroup meetAt(Path file, SharedGroup group) throws IOException {
        JOINING.add(file);
        try {
            return meet(file, group);
        } finally {
            JOINING.remove(file);
        }
    }

    /** The group in a file, or null where there is none yet. */
    private @Nullable SharedGroup open(Path file) throws IOException {
        FileChannel channel;
        try {
            channel = FileChannel.open(file, READ, WRITE, LinkOption.NOFOLLOW_LINKS);
        } catch (IOException e) {
            return null; // not there, not ours, or a link
        }
        try {
            if (!isReady(channel) || SharedGroup.isFree(channel, 0)) {
                channel.close();
                return null;
            }
            SharedGroup group = new SharedGroup(channel, layout);
            enter(group);
            return group;
        } catch (IOException | RuntimeException e) {
            channel.close();
            throw e;
        }
    }

    /** Whether rank 0 has written all of a file that is this group's. */
    private boolean isReady(FileChannel channel) throws IOException {
        ByteBuffer header = ByteBuffer.allocate(SharedLayout.HEADER_BYTES).order(ByteOrder.nativeOrder());
        if (channel.read(header, 0) < SharedLayout.HEADER_BYTES || header.getLong((int) SharedLayout.MAGIC_AT) == 0) {
            return false;
        }
        check(header.getLong((int) SharedLayout.MAGIC_AT) == SharedLayout.MAGIC, "its file is none of a group");
        long version = header.getLong((int) SharedLayout.VERSION_AT);
        check(
                version == SharedLayout.VERSION,
                "it speaks version %d, this rank %d".formatted(version, SharedLayout.VERSION));
        byte[] token = new byte[SharedLayout.TOKEN_BYTES];
        header.get((int) SharedLayout.TOKEN_AT, token);
        check(MessageDigest.isEqual(token, tokenHash()), "it has another token");
        long size = header.getLong((int) SharedLayout.SIZE_AT);
        check(size == membership.size(), "it has %d ranks, this rank knows of %d".formatted(size, membership.size()));
        long bytes = channel.size();
        check(bytes == layout.bytes(), "its file has %d bytes, not %d".formatted(bytes, layout.bytes()));
        return true;
    }

    private void check(boolean right, String wrong) {
        if (!right) {
            throw new CollectiveException(
                    0, "rank 0 of group %s is not of this group: %s".formatted(membership.group(), wrong));
        }
    }

    private byte[] tokenHash() {
        try {
            return MessageDigest.getInstance("SHA-256")
                    .digest(membership.token().getBytes(StandardCharsets.UTF_8));
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every Java platform has SHA-256", e);
        }
    }

    // All

    private void enter(SharedGroup group) throws IOException {
        if (!group.enter(membership.rank())) {
            group.close();
            throw new CollectiveException(
                    membership.rank(),
                    "rank %d of group %s has joined already".formatted(membership.rank(), membership.group()));
        }
    }

    /** Waits until all are in and the file has lost its name. */
    private SharedGroup meet(Path file, SharedGroup group) throws IOException {
        try {
            for (int rank = 0; rank < membership.size(); rank++) {
                awaitWord(group, group.layout().state(rank), rank);
            }
            if (membership.rank() == 0) {
                Files.deleteIfExists(file);
                group.publish(SharedLayout.UNNAMED_AT, 1);
            }
            awaitWord(group, SharedLayout.UNNAMED_AT, 0);
            return group;
        } catch (CollectiveException e) {
            group.fail(e.missing(), String.valueOf(e.getMessage()));
            if (e.missing() == 0) {
                Files.deleteIfExists(file);
            }
            group.leave(membership.rank());
            group.close();
            throw e;
        }
    }

    private void awaitWord(SharedGroup group, long word, int rank) {
        while (group.read(word) == 0) {
            if (group.hasFailed()) {
                throw group.failure();
            }
            for (int other = 0; other < membership.size(); other++) {
                if (group.hasJoined(other) && group.isDead(other)) {
                    throw new CollectiveException(other, "rank %d died while the others joined".formatted(other));
                }
            }
            if (isOver()) {
                throw new CollectiveException(rank, missing(rank));
            }
            nap();
        }
    }

    private boolean isOver() {
        return System.nanoTime() - start > membership.limitNanos();
    }

    private String missing(int rank) {
        return "rank %d of group %s did not join within %d ms"
                .formatted(rank, membership.group(), membership.limit().toMillis());
    }

    private void nap() {
        if (Thread.currentThread().isInterrupted()) {
            throw new CollectiveException(
                    membership.rank(), "rank %d was interrupted while joining".formatted(membership.rank()));
        }
        LockSupport.parkNanos(ATTEMPT_NANOS);
    }
}
