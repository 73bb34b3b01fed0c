package dev.skein.worker;

/** Hears what a starting worker does. Calls come from several threads, one after the other; none may close it. */
public interface WorkerListener {

    void on(Event event);

    /** What happened. */
    sealed interface Event {}

    /** Calls can be made: Health at once, Model and Tokenizer when the file's header has been read. */
    record Listening(String host, int port) implements Event {}

    /** What the other ranks of the group do, for people; again when one of them was lost. */
    record Gathering(String ranks) implements Event {}

    /** Weights are being loaded: so many parts of so many. */
    record Loading(int parts, int of) implements Event {}

    /** The weights are there; a first generation runs through the whole path. */
    record Warming() implements Event {}

    /**
     * Requests are served.
     *
     * @param backend what computes, and why
     * @param headerSeconds from the start until the model file was understood
     * @param weightsSeconds from then until the weights were loaded
     * @param warmUpSeconds from then until now
     */
    record Ready(String backend, double headerSeconds, double weightsSeconds, double warmUpSeconds) implements Event {}

    /**
     * Requests are served again, or the rank takes part in steps again, after another rank of the group was lost.
     *
     * @param reason what was lost
     * @param seconds without a step
     */
    record Recovered(String reason, double seconds) implements Event {}

    /**
     * It will never be ready, or is no more; the process should end with an exit code that is not 0.
     *
     * @param hopeless whether a new start would end in the same way
     */
    record Failed(String reason, boolean hopeless) implements Event {}
}
