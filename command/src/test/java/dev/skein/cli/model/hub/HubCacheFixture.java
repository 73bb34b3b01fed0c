package dev.skein.cli.model.hub;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;

/// Models that no hub ever had.
public final class HubCacheFixture {
    private HubCacheFixture() {}

    /// Keeps one file of zeros as a model.
    public static void keep(HubCache cache, String id, String commit, String variant, String file, int size)
            throws IOException {
        HubName name = HubName.of(id).orElseThrow();
        Path path = cache.snapshot(name, commit).resolve(file);
        Files.createDirectories(cache.snapshot(name, commit));
        byte[] content = new byte[size];
        Files.write(path, content);
        cache.write(new KeptModel(
                name,
                commit,
                Map.of(HubCache.MAIN, Instant.ofEpochSecond(1)),
                variant,
                true,
                variant.isEmpty() ? "" : file,
                List.of(new HubFile(
                        file, size, Checksum.of(TestHub.git(content)).orElseThrow())),
                Instant.EPOCH));
    }
}
