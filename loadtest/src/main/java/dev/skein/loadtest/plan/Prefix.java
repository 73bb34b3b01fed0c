package dev.skein.loadtest.plan;

/// What prompts begin with in common: the same in every run of a seed, so that a cache of prefixes can hold it.
///
/// @param words 0 for none
/// @param count how many different ones there are; requests take them in turn
public record Prefix(int words, int count) {
    public static final Prefix NONE = new Prefix(0, 1);

    public Prefix {
        if (words < 0 || count < 1) {
            throw new IllegalArgumentException(
                    count + " prefixes of " + words + " words; at least 1 of 0 words is needed");
        }
    }
}
