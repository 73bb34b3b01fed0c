package dev.skein.cli.model.hub;

import dev.skein.cli.CommandException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// All files of a model at one commit.
record Listing(String commit, List<HubFile> files) {
    private static final Pattern COMMIT = Pattern.compile("[0-9a-f]{7,64}");
    private static final int MOST_FILES = 100_000;

    Listing {
        files = List.copyOf(files);
    }

    /// Reads what `/api/models/ID/revision/REVISION?blobs=true` answers.
    ///
    /// @throws CommandException if it is something else
    static Listing parse(byte[] json) {
        try {
            JsonNode root = JsonMapper.shared().readTree(json);
            String commit = root.path("sha").asString("");
            if (!COMMIT.matcher(commit).matches() || !root.path("siblings").isArray()) {
                throw unreadable("it lacks the commit or the files");
            }
            if (root.path("siblings").size() > MOST_FILES) {
                throw unreadable("it has " + root.path("siblings").size() + " files, and " + MOST_FILES + " are read");
            }
            List<HubFile> files = new ArrayList<>();
            root.path("siblings").forEach(sibling -> files.add(file(sibling)));
            return new Listing(commit, files);
        } catch (JacksonException e) {
            throw unreadable("it is not JSON");
        }
    }

    private static HubFile file(JsonNode sibling) {
        JsonNode large = sibling.path("lfs");
        long size = large.path("size").asLong(sibling.path("size").asLong(-1));
        return new HubFile(sibling.path("rfilename").asString(""), size, checksum(sibling, large));
    }

    /// Git's id of a large file is that of the pointer to it, so it says nothing of the content.
    private static @Nullable Checksum checksum(JsonNode sibling, JsonNode large) {
        Optional<Checksum> found = large.isObject()
                ? Checksum.of(large.path("sha256").asString(large.path("oid").asString("")))
                : Checksum.of(sibling.path("blobId").asString(""));
        return found.orElse(null);
    }

    private static CommandException unreadable(String why) {
        return CommandException.failed("the hub's listing of the model cannot be read: " + why
                + "; is HF_ENDPOINT the address of a model hub?");
    }
}
