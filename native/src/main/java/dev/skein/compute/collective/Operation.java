package dev.skein.compute.collective;

/** What ranks do together. */
enum Operation {
    BARRIER(1, "a barrier"),
    ALL_REDUCE(2, "all-reduce"),
    ALL_GATHER(3, "all-gather"),
    BROADCAST(4, "broadcast"),
    MESSAGE(5, "a message");

    private static final Operation[] ALL = values();

    /** What stands for it between ranks. */
    private final int code;

    private final String text;

    Operation(int code, String text) {
        this.code = code;
        this.text = text;
    }

    /** The call in words; numbers of a newer or broken rank that mean nothing here are said as they are. */
    static String describe(long what, long bytes) {
        for (Operation operation : ALL) {
            if (operation.code == (what & 0xff)) {
                return operation.describe((int) (what >> 8), bytes);
            }
        }
        return "call %d of %d bytes".formatted(what, bytes);
    }

    private String describe(int root, long bytes) {
        return switch (this) {
            case BARRIER -> text;
            case ALL_REDUCE, ALL_GATHER -> "%s of %d bytes".formatted(text, bytes);
            case BROADCAST, MESSAGE -> "%s of %d bytes from rank %d".formatted(text, bytes, root);
        };
    }

    long what(int root) {
        return code | (long) root << 8;
    }
}
