package dev.skein.compute.cpu;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;

/** The backends that this machine can run, for tests of all of them. */
final class Kinds {
    /** A way to make a backend. */
    record Kind(String name, Supplier<HostBackend> maker) {
        HostBackend make() {
            return maker.get();
        }

        @Override
        public String toString() {
            return name;
        }
    }

    private Kinds() {}

    static List<Kind> all() {
        List<Kind> kinds = new ArrayList<>();
        kinds.add(new Kind("java", JavaBackend::new));
        return kinds;
    }
}
