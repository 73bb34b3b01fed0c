package dev.skein.worker.engine;

import dev.skein.compute.StepInputs;
import dev.skein.compute.collective.Collective;

/** What goes from rank to rank before a step: its inputs, or that there are no more steps. */
final class StepMessage implements AutoCloseable {
    private static final int STEP = 1;
    private static final int STOP = 2;

    private final Message message = new Message();

    void step(StepInputs inputs) {
        inputs.pack(message.start(STEP, inputs.packedBytes()));
    }

    void stop() {
        message.start(STOP, 0);
    }

    void tell(Collective others) {
        message.tell(others);
    }

    void await(Collective others) {
        message.await(others, 0);
    }

    boolean stops() {
        return message.kind() == STOP;
    }

    void inputs(StepInputs into) {
        into.unpack(message.content());
    }

    @Override
    public void close() {
        message.close();
    }
}
