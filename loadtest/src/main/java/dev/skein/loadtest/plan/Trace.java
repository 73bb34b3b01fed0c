package dev.skein.loadtest.plan;

import io.vertx.core.json.DecodeException;
import io.vertx.core.json.JsonObject;
import java.util.ArrayList;
import java.util.List;

/// Requests as they once came: one JSON object a line, `{"timestamp": MILLIS, "input_length": TOKENS,
/// "output_length": TOKENS}`, other keys ignored. Traces of production are published in this form.
public final class Trace {
    private final List<Entry> entries;

    /// @param millis from any moment on; 0 in a list of lengths alone
    private record Entry(double millis, Sizes.Size size) {}

    private Trace(List<Entry> entries) {
        this.entries = entries;
    }

    /// Lengths and times.
    ///
    /// @throws IllegalArgumentException which names the file and the line that is wrong
    public static Trace timed(String name, List<String> lines) {
        return read(name, lines, true);
    }

    /// Lengths; times are not looked at.
    ///
    /// @throws IllegalArgumentException which names the file and the line that is wrong
    public static Trace lengths(String name, List<String> lines) {
        return read(name, lines, false);
    }

    private static Trace read(String name, List<String> lines, boolean timed) {
        List<Entry> entries = new ArrayList<>();
        for (int i = 0; i < lines.size(); i++) {
            if (lines.get(i).isBlank()) {
                continue;
            }
            try {
                Entry entry = entry(new JsonObject(lines.get(i)), timed);
                if (!entries.isEmpty() && entry.millis < entries.getLast().millis) {
                    throw new IllegalArgumentException("timestamp " + entry.millis + " is before the line above it");
                }
                entries.add(entry);
            } catch (DecodeException | ClassCastException e) {
                throw wrong(name, i, "is no JSON object with numbers");
            } catch (IllegalArgumentException e) {
                throw wrong(name, i, String.valueOf(e.getMessage()));
            }
        }
        if (entries.isEmpty()) {
            throw new IllegalArgumentException(name + " holds no request; each line is one, such as "
                    + "{\"timestamp\": 0, \"input_length\": 512, \"output_length\": 128}");
        }
        return new Trace(entries);
    }

    private static Entry entry(JsonObject line, boolean timed) {
        return new Entry(
                timed ? number(line, "timestamp").doubleValue() : 0,
                new Sizes.Size(
                        number(line, "input_length").intValue(),
                        number(line, "output_length").intValue()));
    }

    private static Number number(JsonObject line, String key) {
        Number number = line.getNumber(key);
        if (number == null) {
            throw new IllegalArgumentException("has no " + key);
        }
        return number;
    }

    private static IllegalArgumentException wrong(String name, int line, String what) {
        return new IllegalArgumentException(name + ", line " + (line + 1) + ": " + what);
    }

    public int requests() {
        return entries.size();
    }

    public Sizes sizes() {
        return new Sizes.Listed(entries.stream().map(Entry::size).toList());
    }

    /// @param speed 2 replays twice as fast
    /// @param most that may be open at once; 0 for any number
    public Pattern replay(double speed, int most) {
        return new Pattern.Replay(entries.stream().mapToDouble(Entry::millis).toArray(), speed, most);
    }
}
