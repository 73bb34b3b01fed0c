package dev.skein.cli.bench;

import dev.skein.loadtest.measure.Samples;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/// How long a cache line takes from one core to another. Virtual cores move: near each other or far apart, a barrier
/// costs several times more or less, and with it every figure of several threads.
final class CorePing {
    private static final int ROUNDS = 100;
    private static final int BOUNCES = 200;
    private static final VarHandle BALL;

    static {
        try {
            BALL = MethodHandles.lookup().findVarHandle(CorePing.class, "ball", int.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    /// How often it was passed on: even is this thread's turn, odd the other's.
    private int ball;

    private CorePing() {}

    /// One way, in nanoseconds: the median of many rounds, since either thread may lose its core in one. The other
    /// thread
    /// is made for it.
    static double nanos() {
        return new CorePing().play();
    }

    private double play() {
        Thread other = Thread.ofPlatform().daemon().name("ping").start(() -> pass(1, 0, ROUNDS * BOUNCES));
        double[] nanos = new double[ROUNDS];
        for (int round = 0; round < ROUNDS; round++) {
            long began = System.nanoTime();
            pass(0, round * BOUNCES, BOUNCES);
            nanos[round] = (System.nanoTime() - began) / (2.0 * BOUNCES);
        }
        try {
            other.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        return Samples.of(nanos).median();
    }

    private void pass(int side, int done, int times) {
        for (int i = done; i < done + times; i++) {
            int turn = 2 * i + side;
            while ((int) BALL.getAcquire(this) != turn) {
                Thread.onSpinWait();
            }
            BALL.setRelease(this, turn + 1);
        }
    }
}
