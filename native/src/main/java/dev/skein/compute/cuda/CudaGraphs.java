package dev.skein.compute.cuda;

import dev.skein.compute.ComputeException;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Steps that were captured. The first of its kind is launched kernel by kernel, and captured while the device is at work on it;
 * later ones are replayed. Memory that has been freed or left since may be in any of them: then all are
 * captured anew.
 */
final class CudaGraphs {
    private static final Logger log = LoggerFactory.getLogger(CudaGraphs.class);

    /** A graph of an 8B model's step is a few MiB of the driver's memory. */
    private static final int MOST = 64;

    private final CudaContext context;
    private final CudaStream stream;
    private final Map<Kind, Recorded> recorded = new LinkedHashMap<>(16, 0.75f, true);
    private long freed;
    private long replays;
    private boolean refused;

    /** Passes are the same if they are one object, unless they say otherwise. */
    private record Kind(CudaStep.Shape shape, Runnable pass) {}

    private record Recorded(CudaGraph graph, List<Runnable> preparations) {}

    CudaGraphs(CudaContext context, CudaStream stream) {
        this.context = context;
        this.stream = stream;
        freed = context.freed();
    }

    /** Whether the driver can capture at all. */
    boolean usable() {
        return !refused;
    }

    /**
     * Enqueues a pass again.
     *
     * @return false if there is nothing to replay
     * @throws ComputeException if the step's inputs are not what the pass can do with
     */
    boolean replay(CudaStep.Shape shape, Runnable pass) {
        Recorded known = current(shape, pass);
        if (known == null) {
            return false;
        }
        known.preparations.forEach(Runnable::run);
        // They may have made room by freeing what the graph knows.
        if (current(shape, pass) != known) {
            return false;
        }
        replays++;
        stream.launch(known.graph);
        return true;
    }

    private @Nullable Recorded current(CudaStep.Shape shape, Runnable pass) {
        if (freed != context.freed()) {
            freed = context.freed();
            recorded.values().forEach(each -> context.free(each.graph));
            recorded.clear();
        }
        return recorded.get(new Kind(shape, pass));
    }

    /** Captures what was just enqueued. */
    void record(CudaStep.Shape shape, Runnable pass, CudaTape tape) {
        if (current(shape, pass) != null) {
            return;
        }
        try {
            recorded.put(new Kind(shape, pass), new Recorded(stream.capture(tape::launchAll), tape.preparations()));
            bound();
        } catch (ComputeException cannot) {
            if (cannot.fatal()) {
                throw cannot;
            }
            refused = true;
            log.warn("graphs=off reason=\"{}\"", cannot.getMessage());
        }
    }

    private void bound() {
        Iterator<Recorded> oldest = recorded.values().iterator();
        if (recorded.size() > MOST) {
            context.free(oldest.next().graph);
            oldest.remove();
        }
    }

    int captured() {
        return recorded.size();
    }

    /** Passes that were replayed. */
    long replays() {
        return replays;
    }
}
