package dev.skein.cli.model.hub;

import java.time.Duration;

/// How long a hub is waited for.
///
/// @param attempts that may fail in a row, without something having come between
/// @param firstWait after the first failure; doubled after each further one
/// @param longestWait between two attempts, also where the hub asks for longer
/// @param connect until a connection stands
/// @param silence until the next byte
public record Patience(int attempts, Duration firstWait, Duration longestWait, Duration connect, Duration silence) {
    /// Gives a hub about a minute, and more if it asks for more.
    public static final Patience USUAL = new Patience(
            6, Duration.ofSeconds(1), Duration.ofMinutes(2), Duration.ofSeconds(15), Duration.ofSeconds(30));
}
