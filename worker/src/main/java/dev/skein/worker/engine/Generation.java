package dev.skein.worker.engine;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;

/**
 * A request in the engine. {@link #cancel}, {@link #pause} and {@link #resume} may be called by any thread and act before
 * the next step; the rest belongs to the step loop.
 */
public final class Generation extends Sequence {
    private final Engine engine;
    private final GenerationRequest request;
    private final TokenSink sink;
    private final List<TokenLogprobs> promptLogprobs = new ArrayList<>();
    private final int[] stopTokenIds;
    private final int[][] badWords;
    private final long submitted;
    private final int rowsToScore;
    private long seed;
    private int scored;
    private boolean promptDone;
    private int sampledBy;
    /** Written by the loop, read by any thread. */
    private volatile long admitted;

    private long firstToken;

    Generation(Engine engine, GenerationRequest request, TokenSink sink, long now) {
        int[] prompt = request.prompt();
        super(
                prompt,
                request.sampling().promptLogprobs().isPresent(),
                engine.options().byPriority() ? request.priority() : 0,
                engine.options().prefixCaching() ? request.cacheSalt() : null);
        this.engine = engine;
        this.request = request;
        this.sink = sink;
        this.rowsToScore = scored() ? request.promptLength() - 1 : 0;
        this.stopTokenIds = request.sampling().stopTokenIds().stream()
                .mapToInt(Integer::intValue)
                .sorted()
                .toArray();
        this.badWords = request.sampling().badWords().stream()
                .map(word -> word.stream().mapToInt(Integer::intValue).toArray())
                .toArray(int[][]::new);
        this.submitted = now;
    }

    /** Ends it without another word to its sink. Its blocks are free before the next step. */
    public void cancel() {
        engine.send(new Engine.Command.Cancel(this));
    }

    /** Computes nothing more for it until {@link #resume}; its place is kept. */
    public void pause() {
        engine.send(new Engine.Command.Pause(this, true));
    }

    public void resume() {
        engine.send(new Engine.Command.Pause(this, false));
    }

    /** Whether a step has computed something of it: it waits no more. Any thread may ask. */
    public boolean begun() {
        return admitted != 0;
    }

    GenerationRequest request() {
        return request;
    }

    Sampling sampling() {
        return request.sampling();
    }

    TokenSink sink() {
        return sink;
    }

    long seed() {
        return seed;
    }

    void seed(long value) {
        seed = value;
    }

    /** Output ids so far, resumed ones included. */
    int outputs() {
        return known() - request.promptLength();
    }

    boolean wantsToken() {
        return outputs() < request.maxTokens();
    }

    @Override
    boolean endsNext() {
        return outputs() + 1 >= request.maxTokens()
                || known() + 1 >= engine.options().maxModelLen();
    }

    @Override
    boolean foreseeable() {
        return super.foreseeable()
                && engine.options().speculation() == null
                && !sampling().penalises()
                && badWords.length == 0;
    }

    /** The output of the last step that brings its next id. */
    int sampledBy() {
        return sampledBy;
    }

    void sampledBy(int output) {
        sampledBy = output;
    }

    boolean wantsScores() {
        return scored < rowsToScore;
    }

    /** Whether the logits at a position say how likely the next prompt id was, and nobody has looked yet. */
    boolean scores(int position) {
        return position >= scored && position < rowsToScore;
    }

    void score(TokenLogprobs logprobs) {
        promptLogprobs.add(logprobs);
        scored++;
    }

    /** The scores, to be handed out once. */
    List<TokenLogprobs> takeScores() {
        List<TokenLogprobs> scores = List.copyOf(promptLogprobs);
        promptLogprobs.clear();
        return scores;
    }

    /** Drafts what may follow, so far as it may be asked for. */
    void draft(PromptLookup lookup, int maxModelLen) {
        int room = Math.min(request.maxTokens() - outputs(), maxModelLen - known()) - 1;
        lookup.draft(ids(), room, draft());
    }

    int[][] badWords() {
        return badWords;
    }

    /** Whether a word's last id would complete it behind the output among `known` ids, of which the last may be drafted. */
    boolean completes(int[] word, int known) {
        int start = known - (word.length - 1);
        if (start < request.promptLength()) {
            return word.length == 1;
        }
        for (int i = 0; i < word.length - 1; i++) {
            if (token(start + i) != word[i]) {
                return false;
            }
        }
        return true;
    }

    boolean stopsAt(int id) {
        return Arrays.binarySearch(stopTokenIds, id) >= 0;
    }

    /** Notes the first step that computes something of it; true if this is that step. */
    boolean admittedAt(long now) {
        boolean first = admitted == 0;
        if (first) {
            admitted = now;
        }
        return first;
    }

    /** Notes that the whole prompt is computed; true if it is the first time. */
    boolean promptDoneAt(long now) {
        boolean first = !promptDone;
        if (first) {
            promptDone = true;
            firstToken = now;
        }
        return first;
    }

    Completion completion(Completion.Reason reason, OptionalInt stopTokenId, long now) {
        long started = admitted == 0 ? now : admitted;
        long decoding = promptDone ? firstToken : now;
        return new Completion(
                reason, stopTokenId, started - submitted, decoding - started, now - decoding, preemptions(), cached());
    }
}
