package dev.skein.compute.cuda;

import java.util.ArrayList;
import java.util.List;

/** What a pass enqueued in a step that may be replayed: what checked it and made room for it, and what launches it. */
final class CudaTape {
    private List<Runnable> preparations = new ArrayList<>();
    private List<Runnable> launches = new ArrayList<>();

    void clear() {
        preparations = new ArrayList<>();
        launches = new ArrayList<>();
    }

    void preparation(Runnable action) {
        preparations.add(action);
    }

    void launch(Runnable action) {
        launches.add(action);
    }

    /** Its own from now on. */
    List<Runnable> preparations() {
        return preparations;
    }

    void launchAll() {
        for (Runnable each : launches) {
            each.run();
        }
    }
}
