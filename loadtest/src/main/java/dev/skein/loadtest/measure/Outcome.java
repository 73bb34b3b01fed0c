package dev.skein.loadtest.measure;

/// How a request ended.
public sealed interface Outcome {

    /// With its whole answer.
    ///
    /// @param arrivals of pieces of text, at least one, in nanoseconds from the start of the run
    /// @param tokens that the server counted, or the pieces where it counts none
    /// @param promptTokens that the server counted, 0 where it counts none
    /// @param cachedTokens of them that it says it did not compute again
    record Answer(long[] arrivals, int tokens, int promptTokens, int cachedTokens) implements Outcome {
        long first() {
            return arrivals[0];
        }

        long last() {
            return arrivals[arrivals.length - 1];
        }
    }

    /// Without it.
    ///
    /// @param cause the kind, the same for all requests that failed alike
    /// @param example what exactly was seen
    record Failure(String cause, String example) implements Outcome {}

    /// It was open when the user ended the run.
    record Cut() implements Outcome {}
}
