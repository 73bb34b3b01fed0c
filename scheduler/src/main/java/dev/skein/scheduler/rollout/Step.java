package dev.skein.scheduler.rollout;

/// What a rollout asks for.
public sealed interface Step {

    /// Make a group.
    ///
    /// @param index the lowest that no group has
    /// @param key its revision
    record Create(int index, String key) implements Step {}

    /// Let a group finish its streams and go.
    ///
    /// @param reason why, for people
    record Retire(int index, String reason) implements Step {}
}
