package dev.skein.compute.cpu;

import dev.skein.compute.cpu.CpuOptions.Isa;
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
        kinds.addAll(natives(1));
        kinds.addAll(natives(2));
        return kinds;
    }

    /** Native ones, of each instruction set that is here; none where the library was not built. */
    static List<Kind> natives(int threads) {
        List<Kind> kinds = new ArrayList<>();
        for (Isa isa : List.of(Isa.AVX2, Isa.AVX512, Isa.VNNI)) {
            if (CpuLibrary.load() instanceof CpuLibrary.Loaded && CpuBackend.has(isa)) {
                CpuOptions options = new CpuOptions(threads, isa, false);
                kinds.add(new Kind(isa + " on " + threads, () -> CpuBackend.create(options)));
            }
        }
        return kinds;
    }
}
