package dev.skein.scheduler;

import dev.skein.scheduler.agent.Answer;
import org.jspecify.annotations.Nullable;

/// A machine of a cluster at one moment, as who decides knows it.
///
/// @param name HOST:PORT
/// @param votes whether it is one of those of which more than half must listen to who decides
/// @param decides whether it is who decides
/// @param silentMillis since it was heard
/// @param answer what it said then; null where it was never heard
public record MachineStatus(
        String name,
        boolean votes,
        boolean decides,
        long silentMillis,
        @Nullable Answer answer) {}
