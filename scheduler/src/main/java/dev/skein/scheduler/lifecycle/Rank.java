package dev.skein.scheduler.lifecycle;

/// What was seen of one rank.
///
/// @param incarnation counts the processes that this rank has had; 0 before the first
/// @param since when the phase was entered, in milliseconds of the caller's clock
/// @param host where it was placed; empty before that
/// @param port where it listens; 0 until known
/// @param processId 0 until known
/// @param token the secret that calls to it carry; empty until known
/// @param detail what it is doing, for people
public record Rank(
        int index,
        Phase phase,
        long incarnation,
        long since,
        String host,
        int port,
        long processId,
        String token,
        String detail) {

    static Rank unplaced(int index) {
        return new Rank(index, Phase.ABSENT, 0, 0, "", 0, 0, "", "");
    }

    Rank placed(String where) {
        return new Rank(index, phase, incarnation, since, where, port, processId, token, detail);
    }

    Rank unplaced(String why, long now) {
        return new Rank(index, Phase.ABSENT, incarnation, now, "", 0, 0, "", why);
    }

    Rank starting(long started, long now) {
        return new Rank(index, Phase.STARTING, started, now, host, 0, 0, "", "");
    }

    Rank entering(Phase next, long now) {
        return new Rank(index, next, incarnation, now, host, port, processId, token, detail);
    }

    Rank spawned(long pid, String secret) {
        return new Rank(index, phase, incarnation, since, host, port, pid, secret, detail);
    }

    Rank at(int heard) {
        return new Rank(index, phase, incarnation, since, host, heard, processId, token, detail);
    }

    Rank saying(String text) {
        return new Rank(index, phase, incarnation, since, host, port, processId, token, text);
    }

    Rank exited(String reason, long now) {
        return new Rank(index, Phase.ABSENT, incarnation, now, host, 0, 0, "", reason);
    }

    /// The secret stays out of logs.
    @Override
    public String toString() {
        return "rank " + index + " " + phase + " incarnation=" + incarnation + " port=" + port + " pid=" + processId;
    }
}
