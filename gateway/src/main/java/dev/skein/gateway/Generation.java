package dev.skein.gateway;

import dev.skein.gateway.json.JsonWriter;
import dev.skein.gateway.metrics.RequestMetrics;
import dev.skein.gateway.openai.Answers;
import dev.skein.gateway.openai.ApiException;
import dev.skein.gateway.openai.Decoding;
import dev.skein.gateway.openai.Piece;
import dev.skein.gateway.openai.PromptIds;
import dev.skein.gateway.openai.Usage;
import dev.skein.gateway.traffic.CallFailure;
import dev.skein.gateway.traffic.CallFailure.Kind;
import dev.skein.gateway.traffic.Dialect;
import dev.skein.protocol.v1.Finish;
import dev.skein.protocol.v1.FinishReason;
import dev.skein.protocol.v1.GenerateRequest;
import dev.skein.protocol.v1.GenerateResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One request from the moment its prompts are counted: its sequences run side by side, and what comes of them goes out
 * as a stream of events or is collected into one body.
 *
 * <p>Nothing is sent before the first ids have come, not even the status: so what goes wrong before is told by its own
 * status, and the time to the first chunk is the true time to the first token. A full socket pauses all sequences; a
 * closed one cancels them. When the time that a request may take is up, workers end its sequences; a group that does not
 * say so is not waited for.
 */
final class Generation {
    // More of one request at a time than a worker's queue takes would only come back.
    private static final int MOST_AT_ONCE = 128;

    // What a worker's own word that the time is up may take to come.
    private static final Duration GRACE = Duration.ofSeconds(1);

    // An echo of the prompt and no more needs no group.
    private static final GenerateResponse NOTHING_TO_DO = GenerateResponse.newBuilder()
            .setFinish(Finish.newBuilder().setReason(FinishReason.FINISH_REASON_LENGTH))
            .build();

    private final Front front;
    private final Dialect dialect;
    private final Exchange exchange;
    private final Prepared prepared;
    private final Decoding.Show show;
    private final Answers answers;
    private final RequestMetrics metrics;
    private final String id;
    private final Choice[] choices;
    private final Duration time;
    private final @Nullable Long limit;
    private Runnable unlimit = () -> {};
    private int started;
    private int ended;
    private boolean opened;
    private boolean paused;
    private boolean over;

    /** @param began {@code System.nanoTime()} when the request was read, from when its time is counted */
    Generation(Front front, Exchange exchange, Shared.Serving serving, Prepared prepared, long began) {
        ServedModel model = serving.model();
        RequestMetrics metrics = serving.metrics().requests();
        this.front = front;
        this.dialect = serving.dialect();
        this.exchange = exchange;
        this.prepared = prepared;
        this.show = prepared.decoding().show();
        this.metrics = metrics;
        this.time = front.requestTime();
        this.limit = time.isZero() ? null : began + time.toNanos();
        this.id = (prepared.chat() ? "chatcmpl-" : "cmpl-") + exchange.id();
        Answers.Head head = new Answers.Head(id, System.currentTimeMillis() / 1000, model.name(), model.fingerprint());
        this.answers = Answers.of(
                prepared.chat(), head, prepared.decoding(), model.tokenizer().vocabulary(), prepared.opening());
        this.choices = new Choice[prepared.sequences()];
        for (int i = 0; i < choices.length; i++) {
            choices[i] = new Choice(
                    this,
                    model.tokenizer().vocabulary(),
                    prepared.decoding().rules(),
                    prepared.prompt(i),
                    i,
                    show.stream(),
                    prepared.maxTokens().get(i / prepared.decoding().bestOf()),
                    new Timing(metrics, exchange.arrived()));
        }
    }

    void start() {
        exchange.onGone(this::abandon);
        if (limit != null) {
            Duration left = Duration.ofNanos(limit - System.nanoTime());
            unlimit = front.after(left.plus(GRACE), () -> failed(new CallFailure(Kind.SLOW, "no answer came in time")));
        }
        exchange.response().setWriteQueueMaxSize(Front.WRITE_QUEUE);
        while (started < Math.min(choices.length, MOST_AT_ONCE)) {
            startNext();
        }
    }

    private void startNext() {
        int index = started++;
        GenerateRequest request = prepared.request(id, index);
        if (request.getMaxTokens() == 0 && !request.getSampling().hasPromptLogprobs()) {
            front.later(() -> choices[index].response(NOTHING_TO_DO));
            return;
        }
        choices[index].start(front.sequence(dialect, request, limit, choices[index]));
        if (paused) {
            choices[index].pause();
        }
    }

    /** A part of a stream. */
    void show(Choice choice, Piece piece, boolean first) {
        if (over) {
            return;
        }
        JsonWriter out = front.writer();
        if (!opened) {
            if (!exchange.events()) {
                abandon();
                return;
            }
            opened = true;
            answers.opening(out, choices.length, prepared.prompts().getFirst());
        }
        answers.chunk(out, piece, choice.prompt(), first, show.continuousUsage() ? usage(choice) : null);
        exchange.send(out);
        if (!paused && exchange.response().writeQueueFull()) {
            paused = true;
            for (Choice each : choices) {
                each.pause();
            }
            exchange.response().drainHandler(_ -> resume());
        }
    }

    private void resume() {
        paused = false;
        for (Choice each : choices) {
            each.resume();
        }
    }

    /** A sequence has its ending. */
    void ended(@Nullable Finish finish, int prompt) {
        if (over) {
            return;
        }
        if (finish != null) {
            metrics.worked(finish, prompt);
        }
        ended++;
        if (started < choices.length) {
            startNext();
        }
        if (ended == choices.length) {
            complete();
        }
    }

    private void complete() {
        over();
        JsonWriter out = front.writer();
        if (show.stream()) {
            if (show.usage()) {
                answers.usage(out, usage());
            }
            out.raw(Answers.DONE);
            exchange.sendLast(out);
        } else {
            answers.body(out, whole());
            exchange.json(200, out);
        }
        countEnds("abort");
    }

    private Answers.Whole whole() {
        List<Piece> pieces = new ArrayList<>();
        List<PromptIds.Scored> prompts = new ArrayList<>();
        int candidates = prepared.decoding().bestOf();
        for (int first = 0; first < choices.length; first += candidates) {
            prompts.add(choices[first].prompt());
            best(Arrays.asList(choices).subList(first, first + candidates))
                    .forEach(choice -> pieces.add(choice.whole(pieces.size())));
        }
        return new Answers.Whole(pieces, prompts, usage());
    }

    /** Those of a prompt's sequences that are answered: all, or the n likeliest, best first. */
    private List<Choice> best(List<Choice> candidates) {
        int n = prepared.decoding().n();
        return n == candidates.size()
                ? candidates
                : candidates.stream()
                        .sorted(Comparator.comparingDouble(Choice::meanLogprob).reversed())
                        .limit(n)
                        .toList();
    }

    /** A sequence will have no ending: the request has failed. */
    void failed(CallFailure failure) {
        if (over) {
            return;
        }
        over();
        cancelAll();
        // What has begun is too slow as a whole, also where some of it was never begun.
        boolean slow = failure.kind() == Kind.QUEUED && generated() > 0;
        ApiException error = CallErrors.of(slow ? Kind.SLOW : failure.kind(), failure.message(), time);
        if (opened) {
            JsonWriter out = front.writer();
            Answers.error(out, error);
            out.raw(Answers.DONE);
            exchange.sendLast(out);
        } else {
            exchange.fail(error);
        }
        countEnds("error");
    }

    private void over() {
        over = true;
        unlimit.run();
    }

    /** The client has left. */
    private void abandon() {
        if (!over) {
            over();
            cancelAll();
            countEnds("abort");
        }
    }

    private void cancelAll() {
        for (Choice choice : choices) {
            choice.cancel();
        }
    }

    private Usage usage() {
        return new Usage(prepared.promptTokens(), generated(), front.showsCached() ? cached() : -1);
    }

    private Usage usage(Choice choice) {
        return new Usage(choice.prompt().prompt().ids().length, choice.count(), -1);
    }

    private long generated() {
        return Arrays.stream(choices).mapToLong(Choice::count).sum();
    }

    private long cached() {
        long cached = 0;
        for (int i = 0; i < choices.length; i += prepared.decoding().bestOf()) {
            cached += choices[i].cached();
        }
        return cached;
    }

    /** Counts all its sequences: those without an ending ended for {@code reason}. */
    private void countEnds(String reason) {
        for (Choice choice : choices) {
            choice.countEnd(reason);
        }
        int candidates = prepared.decoding().bestOf();
        for (int first = 0; first < choices.length; first += candidates) {
            metrics.prompt(
                    prepared.decoding().n(),
                    Arrays.stream(choices, first, first + candidates)
                            .mapToInt(Choice::count)
                            .max()
                            .orElse(0));
        }
    }
}
