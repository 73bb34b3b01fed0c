package dev.skein.compute.collective;

/** What ranks do together. Its place in this list goes over the wire. */
enum Operation {
    BARRIER("a barrier"),
    ALL_REDUCE("all-reduce"),
    ALL_GATHER("all-gather"),
    BROADCAST("broadcast"),
    MESSAGE("a message");

    private final String text;

    Operation(String text) {
        this.text = text;
    }

    /** The call in words; numbers of a newer or broken rank that mean nothing here are said as they are. */
    static String describe(long what, long bytes) {
        Operation[] all = values();
        long place = what & 0xff;
        String name = place < all.length ? all[(int) place].text : "call " + place;
        if (place == BARRIER.ordinal()) {
            return name;
        }
        String from = place >= BROADCAST.ordinal() ? " from rank " + (what >> 8) : "";
        return "%s of %d bytes%s".formatted(name, bytes, from);
    }

    long what(int root) {
        return ordinal() | (long) root << 8;
    }
}
