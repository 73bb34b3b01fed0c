package dev.skein.worker.engine;

/** A request for vectors in the loop. {@link #cancel} may be called by any thread; the rest belongs to the loop. */
public final class Embedding {
    private final EmbeddingEngine engine;
    private final EmbeddingRequest request;
    private final EmbeddingSink sink;
    private final float[][] vectors;
    private final long submitted;
    private int taken;
    private int made;
    private long started;

    Embedding(EmbeddingEngine engine, EmbeddingRequest request, EmbeddingSink sink, long now) {
        this.engine = engine;
        this.request = request;
        this.sink = sink;
        vectors = new float[request.texts().size()][];
        submitted = now;
    }

    /** Ends it without another word to its sink, before the next step. */
    public void cancel() {
        engine.cancel(this);
    }

    /** One of its texts. */
    record Text(Embedding owner, int index) {
        int[] ids() {
            return owner.request.texts().get(index);
        }
    }

    EmbeddingRequest request() {
        return request;
    }

    EmbeddingSink sink() {
        return sink;
    }

    boolean started() {
        return taken > 0;
    }

    boolean hasNext() {
        return taken < vectors.length;
    }

    /** The text that is taken next. */
    Text next() {
        return new Text(this, taken);
    }

    void take(long now) {
        if (taken++ == 0) {
            started = now;
        }
    }

    /** Keeps a vector, and tells the sink once it is the last one. Returns whether it was. */
    boolean put(int index, float[] vector, long now) {
        vectors[index] = vector;
        made++;
        boolean last = made == vectors.length;
        if (last) {
            sink.done(vectors, started - submitted, now - started);
        }
        return last;
    }
}
