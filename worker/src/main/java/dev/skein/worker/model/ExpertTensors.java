package dev.skein.worker.model;

import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Where a GGUF file has the matrices of a layer's experts: behind each other as one tensor of three dimensions; old files
 * have each by itself, under the name that it has here.
 */
final class ExpertTensors {
    private static final Pattern ONE = Pattern.compile("(blk\\.\\d+\\.ffn_(?:gate|up|down))\\.(\\d{1,9})\\.weight");

    private ExpertTensors() {}

    /** An expert's place in a tensor. */
    record Place(String tensor, int index) {}

    /** Where an expert's matrix is if it is not by itself; null if the name is no expert's. */
    static @Nullable Place place(String name) {
        Matcher expert = ONE.matcher(name);
        return expert.matches() ? new Place(expert.group(1) + "_exps.weight", Integer.parseInt(expert.group(2))) : null;
    }
}
