package dev.skein.worker.engine;

/** The end of a thread that uses what its owner is about to free. */
final class ThreadEnd {
    private ThreadEnd() {}

    /** Waits for it however often this thread is interrupted, which it is again afterwards. */
    static void await(Thread thread) {
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException again) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
