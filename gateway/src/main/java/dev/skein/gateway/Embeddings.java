package dev.skein.gateway;

import dev.skein.gateway.json.JsonWriter;
import dev.skein.gateway.metrics.RequestMetrics;
import dev.skein.gateway.openai.EmbeddingsAnswer;
import dev.skein.gateway.openai.Usage;
import dev.skein.gateway.traffic.CallFailure;
import dev.skein.gateway.traffic.EmbedCall;
import dev.skein.protocol.v1.EmbedResponse;
import dev.skein.protocol.v1.Finish;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/** One request for vectors from the moment its inputs are counted: it goes out whole and comes back whole. */
final class Embeddings implements EmbedCall.Sink {
    private final Front front;
    private final Exchange exchange;
    private final ServedModel model;
    private final PreparedEmbeddings prepared;
    private final RequestMetrics metrics;
    private final EmbedCall call;
    private boolean over;

    /** @param began {@code System.nanoTime()} when the request was read, from when its time is counted */
    Embeddings(Front front, Exchange exchange, Shared.Serving serving, PreparedEmbeddings prepared, long began) {
        this.front = front;
        this.exchange = exchange;
        this.model = serving.model();
        this.prepared = prepared;
        this.metrics = serving.metrics().requests();
        Duration time = front.requestTime();
        @Nullable Long limit = time.isZero() ? null : began + time.toNanos();
        call = front.embedding(serving.dialect(), prepared.request(exchange.id()), limit, this);
    }

    void start() {
        exchange.onGone(this::abandon);
        call.start();
    }

    @Override
    public void answered(EmbedResponse answer) {
        if (over) {
            return;
        }
        over = true;
        JsonWriter out = front.writer();
        EmbeddingsAnswer.write(
                out,
                "embd-" + exchange.id(),
                System.currentTimeMillis() / 1000,
                model.name(),
                answer.getVectorsList(),
                prepared.asked().base64(),
                new Usage(prepared.tokens(), 0, -1));
        exchange.json(200, out);
        Finish times = Finish.newBuilder()
                .setQueueNanos(answer.getQueueNanos())
                .setPrefillNanos(answer.getComputeNanos())
                .build();
        prepared.texts().forEach(text -> metrics.worked(times, text.length));
        count("stop");
    }

    @Override
    public void failed(CallFailure failure) {
        if (!over) {
            over = true;
            exchange.fail(CallErrors.of(failure.kind(), failure.message(), front.requestTime()));
            count("error");
        }
    }

    /** The client has left. */
    private void abandon() {
        if (!over) {
            over = true;
            call.cancel();
            count("abort");
        }
    }

    /** As in vLLM each input counts by itself. */
    private void count(String reason) {
        long nanos = System.nanoTime() - exchange.arrived();
        for (int[] text : prepared.texts()) {
            metrics.sequence(new RequestMetrics.Sequence(reason, nanos, 0, text.length, 0, 0));
        }
    }
}
