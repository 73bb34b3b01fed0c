package dev.skein.compute.cuda;

import dev.skein.compute.ComputeException;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Steps that were captured. The first of its kind is launched kernel by kernel, and captured while the device is at work on it;
 * later ones are replayed. What the device's memory held that has been freed since may be in any of them: then all are
 * captured anew.
 */
final class CudaGraphs {
    private static final Logger log = LoggerFactory.getLogger(CudaGraphs.class);

    /** A graph of an 8B model's step is a few MiB of the driver's memory. */
    private static final int MOST = 64;

    private final CudaContext context;
    private final CudaStream stream;
    private final Map<Kind, CudaGraph> graphs = new LinkedHashMap<>(16, 0.75f, true);
    private long freed;
    private long replays;
    private boolean refused;

    private record Kind(CudaStep.Shape shape, List<Object> signs) {}

    CudaGraphs(CudaContext context, CudaStream stream) {
        this.context = context;
        this.stream = stream;
        freed = context.freed();
    }

    /** Whether the driver can capture at all. */
    boolean usable() {
        return !refused;
    }

    /** Enqueues what is on the tape. */
    void launch(CudaStep.Shape shape, CudaTape tape) {
        forgetStale();
        CudaGraph known = graphs.get(new Kind(shape, tape.signs()));
        if (known != null) {
            replays++;
            stream.launch(known);
            return;
        }
        tape.launch();
        forgetStale();
        try {
            graphs.put(new Kind(shape, List.copyOf(tape.signs())), stream.capture(tape::launch));
            bound();
        } catch (ComputeException cannot) {
            if (cannot.fatal()) {
                throw cannot;
            }
            refused = true;
            log.warn("graphs=off reason=\"{}\"", cannot.getMessage());
        }
    }

    private void forgetStale() {
        if (freed != context.freed()) {
            freed = context.freed();
            graphs.values().forEach(context::free);
            graphs.clear();
        }
    }

    private void bound() {
        Iterator<CudaGraph> oldest = graphs.values().iterator();
        if (graphs.size() > MOST) {
            context.free(oldest.next());
            oldest.remove();
        }
    }

    int captured() {
        return graphs.size();
    }

    /** Steps that were replayed. */
    long replays() {
        return replays;
    }
}
