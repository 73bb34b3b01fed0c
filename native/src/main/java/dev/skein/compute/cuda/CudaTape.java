package dev.skein.compute.cuda;

import java.util.ArrayList;
import java.util.List;

/**
 * The operations of a step that is launched as a whole when it ends: what launches each of them, and a sign of it. Two steps
 * of the same {@linkplain CudaStep.Shape shape} whose signs are equal launch the same kernels with the same parameters.
 */
final class CudaTape {
    private final List<Runnable> launches = new ArrayList<>();
    private final List<Object> signs = new ArrayList<>();

    void clear() {
        launches.clear();
        signs.clear();
    }

    /** @param sign all that the launch depends on but the step's shape; by their own idea of equality */
    void add(Runnable launch, Object... sign) {
        launches.add(launch);
        for (Object each : sign) {
            signs.add(each);
        }
    }

    List<Object> signs() {
        return signs;
    }

    void launch() {
        for (Runnable each : launches) {
            each.run();
        }
    }
}
