package dev.skein.gateway;

import dev.skein.gateway.openai.Ending;
import dev.skein.gateway.openai.Piece;
import dev.skein.gateway.openai.PromptIds;
import dev.skein.gateway.text.TextStream;
import dev.skein.gateway.text.Vocabulary;
import dev.skein.gateway.traffic.CallFailure;
import dev.skein.gateway.traffic.SequenceCall;
import dev.skein.protocol.v1.Finish;
import dev.skein.protocol.v1.GenerateResponse;
import dev.skein.protocol.v1.Logprobs;
import dev.skein.protocol.v1.Token;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One sequence of a request on its way to the client: ids come from the worker, pieces go to the {@link Generation}.
 */
final class Choice implements SequenceCall.Sink {
    private final Generation generation;
    private final PromptIds prompt;
    private final int index;
    private final boolean stream;
    private final int most;
    private final Timing timing;
    private final StringBuilder text = new StringBuilder();
    private final List<Token> tokens = new ArrayList<>();
    private List<Logprobs> promptLogprobs = List.of();
    private final TextStream decoder;
    private @Nullable SequenceCall call;
    private @Nullable Ending ending;
    private @Nullable Finish finish;
    private boolean shown;

    Choice(
            Generation generation,
            Vocabulary vocabulary,
            TextStream.Rules rules,
            PromptIds prompt,
            int index,
            boolean stream,
            int most,
            Timing timing) {
        this.generation = generation;
        this.prompt = prompt;
        this.index = index;
        this.stream = stream;
        this.most = most;
        this.timing = timing;
        this.decoder = new TextStream(vocabulary, rules);
    }

    void start(SequenceCall started) {
        call = started;
        started.start();
    }

    void pause() {
        if (call != null) {
            call.pause();
        }
    }

    void resume() {
        if (call != null) {
            call.resume();
        }
    }

    void cancel() {
        if (call != null) {
            call.cancel();
        }
    }

    boolean over() {
        return ending != null;
    }

    /** Ids generated so far. */
    int count() {
        return decoder.count();
    }

    int cached() {
        return finish == null ? 0 : finish.getCachedTokens();
    }

    /** Counts it as ended for {@code reason}, unless it has its own ending. */
    void countEnd(String reason) {
        timing.ended(ending == null ? reason : ending.finishReason(), prompt.ids().length, count(), most);
    }

    PromptIds.Scored prompt() {
        return new PromptIds.Scored(prompt, promptLogprobs);
    }

    /** All of it, for an answer in one body, as its choice number {@code place}. */
    Piece whole(int place) {
        return new Piece(place, text, tokens, ending);
    }

    /** How likely it is by the token, if its logprobs were asked for and it is no stream; 0 of no tokens. */
    double meanLogprob() {
        return tokens.stream()
                .mapToDouble(token -> token.getLogprobs().getLogprob())
                .average()
                .orElse(0);
    }

    @Override
    public void response(GenerateResponse response) {
        if (over()) {
            return;
        }
        if (response.getPromptLogprobsCount() > 0) {
            promptLogprobs = response.getPromptLogprobsList();
        }
        List<Token> taken = take(response.getTokensList());
        if (response.hasFinish()) {
            finish = response.getFinish();
            if (ending == null) {
                decoder.finish(text);
                ending = ending(response.getFinish());
            }
        }
        boolean first = !shown;
        if (!stream) {
            tokens.addAll(taken);
            timing.came(taken.size());
            settle();
            return;
        }
        shown = true;
        timing.came(taken.size());
        generation.show(this, new Piece(index, text, taken, ending), first);
        text.setLength(0);
        settle();
    }

    private List<Token> take(List<Token> came) {
        for (int i = 0; i < came.size(); i++) {
            if (decoder.accept(came.get(i).getId(), text)) {
                ending = Ending.stoppedBy(decoder.stopString());
                return came.subList(0, i + 1);
            }
        }
        return came;
    }

    private void settle() {
        if (ending != null) {
            if (finish == null) {
                cancel();
            }
            countEnd(ending.finishReason());
            generation.ended(finish, prompt.ids().length);
        }
    }

    private Ending ending(Finish finish) {
        if (decoder.stopped()) {
            return Ending.stoppedBy(decoder.stopString());
        }
        return switch (finish.getReason()) {
            case FINISH_REASON_STOP ->
                new Ending("stop", finish.hasStopTokenId() ? (Object) (long) finish.getStopTokenId() : null);
            case FINISH_REASON_LENGTH -> Ending.LENGTH;
            case FINISH_REASON_ABORT, FINISH_REASON_UNSPECIFIED, UNRECOGNIZED -> new Ending("abort", null);
        };
    }

    @Override
    public void ended() {
        // Its last response held the finish, which said it all.
    }

    @Override
    public void failed(CallFailure failure) {
        if (!over()) {
            generation.failed(failure);
        }
    }
}
