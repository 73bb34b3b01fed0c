package dev.skein.cli.model.hub;

import dev.skein.cli.CommandException;
import org.jspecify.annotations.Nullable;

/// A file of a model on a hub.
///
/// @param path below the model's folder, with slashes
/// @param size in bytes; negative where the listing does not say
/// @param checksum null where the listing does not say
public record HubFile(String path, long size, @Nullable Checksum checksum) {
    private static final int LONGEST_NAME = 255;
    private static final long LARGEST = 1L << 50;

    /// @throws CommandException if the path could lead out of the folder or is none, or the size is past all sense
    public HubFile {
        if (size > LARGEST) {
            throw CommandException.failed("the hub says that " + Words.printable(path) + " has " + size + " bytes, and "
                    + LARGEST + " are the most");
        }
        for (String name : path.split("/", -1)) {
            boolean odd = name.isEmpty() || name.equals(".") || name.equals("..") || name.length() > LONGEST_NAME;
            if (odd || name.chars().anyMatch(c -> c < ' ' || c == 127 || c == '\\')) {
                throw CommandException.failed("the hub lists a file named '" + Words.printable(path)
                        + "', which is no name below a folder; nothing was fetched");
            }
        }
    }

    /// Its last part.
    String name() {
        return path.substring(path.lastIndexOf('/') + 1);
    }

    boolean atRoot() {
        return path.indexOf('/') < 0;
    }
}
