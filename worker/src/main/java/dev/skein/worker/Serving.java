package dev.skein.worker;

import dev.skein.protocol.v1.ModelCard;
import dev.skein.worker.engine.StepLoop;

/**
 * What serves a model, while it loads and after.
 *
 * @param loop closed by the worker
 * @param warmUp a first request, once the weights are loaded; returns when it is answered
 */
record Serving(StepLoop loop, ModelCard card, Runnable warmUp) {
    /** Ids of the warm-up's prompt: more than one tile of rows, so that the kernels of prompts run too. */
    static final int WARM_UP_PROMPT = 24;
}
