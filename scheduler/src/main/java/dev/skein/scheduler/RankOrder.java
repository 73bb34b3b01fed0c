package dev.skein.scheduler;

import io.vertx.core.json.DecodeException;
import io.vertx.core.json.JsonObject;

/// The first line of a rank's standard input: who it is and what it must do. After it the input stays open; the line
/// [#DRAIN] tells the rank to finish its streams and end, the end of the input tells it to end at once.
///
/// @param leader where the leader answers, HOST:PORT; empty for the leader itself. A rank that has one needs nothing
/// but it
/// and the token: its leader says the rest
/// @param token the secret that calls to the leader must carry
/// @param askedMillis when this start was asked for, in milliseconds since 1970, for the rank to tell how long it took
/// @param parameters the group's parameters as its specification holds them; empty where there is a leader
public record RankOrder(String group, int rank, String leader, String token, long askedMillis, String parameters) {

    public static final String DRAIN = "drain";

    public String line() {
        return new JsonObject()
                .put("group", group)
                .put("rank", rank)
                .put("leader", leader)
                .put("token", token)
                .put("asked", askedMillis)
                .put("parameters", parameters)
                .encode();
    }

    /// @throws IllegalArgumentException if the line is no order
    public static RankOrder of(String line) {
        try {
            JsonObject json = new JsonObject(line);
            return new RankOrder(
                    json.getString("group"),
                    json.getInteger("rank"),
                    json.getString("leader", ""),
                    json.getString("token"),
                    json.getLong("asked"),
                    json.getString("parameters"));
        } catch (DecodeException | ClassCastException | NullPointerException e) {
            throw new IllegalArgumentException("standard input does not begin with an order of the scheduler", e);
        }
    }

    /// The secret stays out of logs.
    @Override
    public String toString() {
        return "RankOrder[group=" + group + ", rank=" + rank + "]";
    }
}
