package dev.skein.cli.model;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import org.jspecify.annotations.Nullable;

/// Keeps other processes out of a folder. The system drops it when the process ends, however it ends.
public final class FolderLock implements AutoCloseable {
    private final FileChannel channel;

    private FolderLock(FileChannel channel) {
        this.channel = channel;
    }

    /// Makes the folder if need be, and waits for whoever holds it.
    ///
    /// @param what another process is told to be doing
    public static FolderLock take(Path folder, String what, Progress progress) throws IOException {
        Path file = folder.resolve(".lock");
        while (true) {
            Files.createDirectories(folder);
            FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
            try {
                Object opened = identity(file);
                if (channel.tryLock() == null) {
                    progress.say("another skein is " + what + "; waiting for it");
                    channel.lock();
                }
                // Whoever held it may have removed the folder with the file.
                if (opened != null && opened.equals(identity(file))) {
                    return new FolderLock(channel);
                }
                channel.close();
            } catch (IOException | RuntimeException e) {
                channel.close();
                throw e;
            }
        }
    }

    private static @Nullable Object identity(Path file) throws IOException {
        try {
            return Files.readAttributes(file, BasicFileAttributes.class).fileKey();
        } catch (NoSuchFileException e) {
            return null;
        }
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
