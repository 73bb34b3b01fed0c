package dev.skein.scheduler.rollout;

/// A number of groups, or a share of them in percent.
public record Amount(int value, boolean percent) {

    public static final Amount NONE = new Amount(0, false);
    public static final Amount ONE = new Amount(1, false);

    public Amount {
        if (value < 0 || percent && value > 100) {
            throw new IllegalArgumentException(
                    value + (percent ? "%" : "") + " is no amount of groups; give 0 or more, or 0% to 100%");
        }
    }

    /// Reads `2` or `25%`.
    ///
    /// @throws IllegalArgumentException for anything else
    public static Amount of(String text) {
        boolean percent = text.endsWith("%");
        try {
            return new Amount(Integer.parseInt(percent ? text.substring(0, text.length() - 1) : text), percent);
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException("'" + text + "' is no amount of groups; write 2 or 25%", e);
        }
    }

    /// Whole groups of `replicas`; a share that is none is rounded down.
    int down(int replicas) {
        return percent ? Math.toIntExact((long) value * replicas / 100) : value;
    }

    /// The same, rounded up.
    int up(int replicas) {
        return percent ? Math.toIntExact(((long) value * replicas + 99) / 100) : value;
    }

    @Override
    public String toString() {
        return percent ? value + "%" : Integer.toString(value);
    }
}
