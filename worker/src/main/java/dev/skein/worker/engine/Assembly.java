package dev.skein.worker.engine;

import dev.skein.compute.collective.CollectiveException;
import java.util.concurrent.CompletableFuture;

/** How the leader of a group comes together with the other ranks. The step loop's thread makes all calls. */
@FunctionalInterface
public interface Assembly {
    /**
     * Waits until all have loaded, and meets them.
     *
     * @throws CollectiveException if one of them is lost while they meet
     */
    Links meet();

    /** Done, on any thread, when a rank is lost that was met. */
    default CompletableFuture<CollectiveException> broken() {
        return new CompletableFuture<>();
    }

    /**
     * Calls all ranks together anew, with the weights that they have.
     *
     * @param loss what was found when they were met, or while they met
     * @return done, on any thread, when {@link #meet} may be called; failed if they will not come, or not in time
     */
    default CompletableFuture<Void> regather(CollectiveException loss) {
        return CompletableFuture.failedFuture(loss);
    }
}
