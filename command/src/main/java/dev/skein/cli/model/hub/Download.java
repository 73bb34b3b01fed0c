package dev.skein.cli.model.hub;

import dev.skein.cli.CommandException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.Objects;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// One file on its way: what has come of it lies in a part, which gets the file's name when its hash is right.
///
/// The part is all there is to know: its length is where to go on. It is hashed as it grows, and once more from its
/// beginning where an earlier process left it.
///
/// [#run] is for one thread, [#received] for any.
final class Download {
    private static final int BUFFER_BYTES = 1 << 18;

    /// An attempt that brings less counts as one that brought nothing, so that a hub cannot keep it up for ever.
    private static final long PROGRESS_BYTES = 1 << 20;

    private static final Pattern RANGE = Pattern.compile("bytes (\\d{1,18})-\\d{1,18}/(\\d{1,18}|\\*)");

    private final HubClient client;
    private final String commit;
    private final HubFile file;
    private final Checksum checksum;
    private final Path part;
    private final Path target;

    private MessageDigest digest;

    /// Read by the thread that shows progress.
    private volatile long received;

    /// @param file with its size and checksum
    Download(HubClient client, String commit, HubFile file, Path part, Path target) {
        this.client = client;
        this.commit = commit;
        this.file = file;
        this.checksum = Objects.requireNonNull(file.checksum(), file.path());
        this.part = part;
        this.target = target;
        this.digest = checksum.digest(file.size());
    }

    /// Bytes that are there, with those of earlier runs.
    long received() {
        return received;
    }

    HubFile file() {
        return file;
    }

    /// Fetches what is missing.
    ///
    /// @throws CommandException if the hub does not have it, sends something else, or stays away
    /// @throws UncheckedIOException if the disk does not take it
    void run(Retries retries) throws InterruptedException {
        try {
            Files.createDirectories(part.getParent());
            Files.createDirectories(target.getParent());
            try (FileChannel out = FileChannel.open(
                    part, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
                boolean resumed = resume(out);
                fill(out, retries);
                if (resumed && !intact()) {
                    // What an earlier run left may be what is wrong.
                    restart(out);
                    fill(out, retries);
                }
                checkHash();
                // The name says that all of it is there, also after the power failed.
                out.force(false);
            }
            Files.move(part, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// Takes up what an earlier run left; true if that was anything.
    private boolean resume(FileChannel out) throws IOException {
        if (out.size() > file.size()) {
            restart(out);
        }
        long end = out.size();
        ByteBuffer buffer = ByteBuffer.allocate(BUFFER_BYTES);
        while (out.position() < end && out.read(buffer) >= 0) {
            digest.update(buffer.flip());
            buffer.clear();
        }
        received = out.position();
        return received > 0;
    }

    private void restart(FileChannel out) throws IOException {
        out.truncate(0);
        digest = checksum.digest(file.size());
        received = 0;
    }

    private void fill(FileChannel out, Retries retries) throws InterruptedException, IOException {
        while (received < file.size()) {
            long before = received;
            try (Answer answer = client.content(commit, file.path(), received)) {
                place(out, answer);
                copy(out, answer.body());
                if (received < file.size()) {
                    throw new Broken("it ended after " + received + " of " + file.size() + " bytes");
                }
            } catch (UncheckedIOException disk) {
                throw disk;
            } catch (IOException e) {
                if (received - before >= PROGRESS_BYTES) {
                    retries.progressed();
                }
                retries.failed(file.path(), e);
            }
        }
    }

    /// An end that nobody announced.
    private static final class Broken extends IOException {
        private static final long serialVersionUID = 1;

        Broken(String message) {
            super(message);
        }
    }

    /// Goes to where the answer's first byte belongs, which is the beginning if the hub knows no ranges.
    private void place(FileChannel out, Answer answer) throws IOException {
        OptionalLong length = answer.headers().firstValueAsLong("Content-Length");
        if (answer.status() == 206) {
            Matcher range =
                    RANGE.matcher(answer.headers().firstValue("Content-Range").orElse(""));
            if (!range.matches() || Long.parseLong(range.group(1)) != received) {
                throw new Broken("asked for bytes from " + received + " on, the hub sends others");
            }
            checkSize(range.group(2).equals("*") ? file.size() : Long.parseLong(range.group(2)));
        } else if (answer.status() == 416) {
            checkSize(0);
        } else {
            onDisk(() -> restart(out));
            checkSize(length.orElse(file.size()));
        }
    }

    private void copy(FileChannel out, Body body) throws IOException {
        byte[] buffer = new byte[BUFFER_BYTES];
        for (int read = body.read(buffer); read >= 0; read = body.read(buffer)) {
            if (read > file.size() - received) {
                checkSize(received + read);
            }
            write(out, ByteBuffer.wrap(buffer, 0, read));
        }
    }

    private void write(FileChannel out, ByteBuffer bytes) {
        digest.update(bytes.duplicate());
        long end = received + bytes.remaining();
        onDisk(() -> {
            while (bytes.hasRemaining()) {
                out.write(bytes);
            }
        });
        received = end;
    }

    @FunctionalInterface
    private interface DiskAction {
        void run() throws IOException;
    }

    /// Tells what the disk refuses from what the network does.
    private static void onDisk(DiskAction action) {
        try {
            action.run();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void checkSize(long size) {
        if (size != file.size()) {
            throw refused("has " + size + " bytes or more and should have " + file.size());
        }
    }

    private boolean intact() {
        return hash().equals(checksum.hex());
    }

    private void checkHash() {
        String hash = hash();
        if (!hash.equals(checksum.hex())) {
            throw refused("has the hash " + hash + " and should have " + checksum.hex());
        }
    }

    /// The digest may be needed once more.
    private String hash() {
        try {
            return HexFormat.of().formatHex(((MessageDigest) digest.clone()).digest());
        } catch (CloneNotSupportedException e) {
            throw new IllegalStateException("Java's own digests can be copied", e);
        }
    }

    private CommandException refused(String why) {
        onDisk(() -> Files.deleteIfExists(part));
        return CommandException.failed(
                "the hub's " + file.path() + " " + why + "; something on the way changed it. Nothing of it was kept");
    }
}
