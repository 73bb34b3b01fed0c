package dev.skein.gateway.text;

import java.util.Set;

/**
 * The text of one sequence while it is generated: ids in as they come, settled text out. The pieces put together are
 * the text of all ids, cut at the earliest stop string.
 *
 * <p>Not thread-safe; one for each sequence.
 */
public final class TextStream {
    /**
     * How ids become text.
     *
     * @param stops strings that end the text
     * @param includeStop whether the text keeps what ended it
     * @param minTokens ids that must be out before a stop string may end
     * @param stopIds ids that end the sequence, which add no text unless {@code includeStop}
     * @param skipSpecial whether special ids add no text
     */
    public record Rules(
            StopStrings stops, boolean includeStop, int minTokens, Set<Integer> stopIds, boolean skipSpecial) {
        public Rules {
            stopIds = Set.copyOf(stopIds);
        }
    }

    private final Vocabulary vocabulary;
    private final Rules rules;
    private final int[] stopIds;
    private final Utf8Gate characters = new Utf8Gate();
    private final StopGate stop;
    private final StringBuilder settled = new StringBuilder();
    private int count;
    private boolean stopped;

    public TextStream(Vocabulary vocabulary, Rules rules) {
        this.vocabulary = vocabulary;
        this.rules = rules;
        this.stopIds = rules.stopIds().stream().mapToInt(Integer::intValue).toArray();
        this.stop = new StopGate(rules.stops(), rules.includeStop());
    }

    /**
     * Takes the next id. Its text, as far as it is settled, is appended to {@code out}.
     *
     * @return whether a stop string is complete: ids after it add nothing and do not count
     */
    public boolean accept(int id, StringBuilder out) {
        if (stopped) {
            return true;
        }
        count++;
        if (isSilent(id)) {
            return false;
        }
        settled.setLength(0);
        characters.accept(vocabulary.bytes(id), settled);
        stopped = stop.accept(settled, count > rules.minTokens(), out);
        return stopped;
    }

    /** Appends what is kept back: no more ids follow. After a stop string there is nothing. */
    public void finish(StringBuilder out) {
        if (stopped) {
            return;
        }
        settled.setLength(0);
        characters.finish(settled);
        if (stop.accept(settled, count > rules.minTokens(), out)) {
            stopped = true;
        } else {
            stop.finish(out);
        }
    }

    /** Ids taken. */
    public int count() {
        return count;
    }

    public boolean stopped() {
        return stopped;
    }

    /** The stop string that ended the text; only once {@link #stopped()}. */
    public String stopString() {
        return rules.stops().strings().get(stop.matched());
    }

    private boolean ends(int id) {
        for (int stopId : stopIds) {
            if (stopId == id) {
                return true;
            }
        }
        return false;
    }

    private boolean isSilent(int id) {
        return rules.skipSpecial() && vocabulary.isSpecial(id)
                || !rules.includeStop() && count > rules.minTokens() && ends(id);
    }
}
