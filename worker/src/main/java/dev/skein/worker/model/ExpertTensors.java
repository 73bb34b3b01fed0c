package dev.skein.worker.model;

import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Where a GGUF file has the matrices of a layer's experts: behind each other as one tensor of three dimensions; old files
 * have each by itself, under the name that it has here.
 */
record ExpertTensors(int count) {
    private static final Pattern STACKED = Pattern.compile("(blk\\.\\d+\\.ffn_(?:gate|up|down))_exps\\.weight");
    private static final Pattern ONE = Pattern.compile("(blk\\.\\d+\\.ffn_(?:gate|up|down))\\.(\\d{1,9})\\.weight");

    /** An expert's place in a tensor. */
    record Place(String tensor, int index) {}

    /** Where an expert's matrix is if it is not by itself; null if the name is no expert's. */
    static @Nullable Place place(String name) {
        Matcher expert = ONE.matcher(name);
        return expert.matches() ? new Place(expert.group(1) + "_exps.weight", Integer.parseInt(expert.group(2))) : null;
    }

    /** The names of a file, with one for each expert. */
    Set<String> names(Collection<String> file) {
        Set<String> names = new LinkedHashSet<>();
        for (String name : file) {
            Matcher stacked = STACKED.matcher(name);
            if (stacked.matches()) {
                for (int expert = 0; expert < count; expert++) {
                    names.add("%s.%d.weight".formatted(stacked.group(1), expert));
                }
            } else {
                names.add(name);
            }
        }
        return names;
    }
}
