package dev.skein.worker.model;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/** For Jazzer: reads a safetensors file's header, and a byte of each tensor. Only {@link CheckpointException} may come out. */
public final class SafetensorsFuzz {
    private static final Path NAME = Path.of("model.safetensors");

    private SafetensorsFuzz() {}

    public static void fuzzerTestOneInput(byte[] file) {
        try {
            SafetensorsFile opened = new SafetensorsFile(NAME, Arena.global(), MemorySegment.ofArray(file));
            for (SafetensorsTensor tensor : opened.tensors()) {
                opened.data(tensor).byteSize();
            }
        } catch (CheckpointException refused) {
            Refusals.check(refused, NAME);
        }
    }
}
