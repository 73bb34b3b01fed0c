package dev.skein.loadtest.measure;

/// One request of a run.
///
/// @param due when its client, or the pattern, wanted it made; nanoseconds from the start of the run
/// @param sent when it was: later where the generator was held up or waited for a free place
public record Observation(long due, long sent, Outcome outcome) {}
