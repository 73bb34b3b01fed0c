package dev.skein.worker.model;

import dev.skein.worker.service.Cards;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;

/** For Jazzer: reads a GGUF file as a worker does before it loads weights. Only {@link CheckpointException} may come out. */
public final class GgufFuzz {
    private static final Path NAME = Path.of("some.gguf");

    private GgufFuzz() {}

    public static void fuzzerTestOneInput(byte[] file) {
        try {
            GgufFile opened = new GgufFile(NAME, Arena.global(), MemorySegment.ofArray(file));
            Checkpoint checkpoint = new GgufCheckpoint(new GgufFiles(List.of(opened)));
            Architecture.of(checkpoint).cache(1).bytes();
            checkpoint.endTokens();
            Cards.tokenizer(checkpoint);
        } catch (CheckpointException refused) {
            Refusals.check(refused, NAME);
        }
    }
}
