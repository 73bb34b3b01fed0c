package dev.skein.worker.engine;

import dev.skein.compute.Activation;
import dev.skein.compute.AttentionShape;
import dev.skein.compute.Backend;
import dev.skein.compute.Buffer;
import dev.skein.compute.ComputeException;
import dev.skein.compute.ExpertWeights;
import dev.skein.compute.HostMatrix;
import dev.skein.compute.KvCache;
import dev.skein.compute.Rope;
import dev.skein.compute.Routing;
import dev.skein.compute.StepInputs;
import dev.skein.compute.StepOutputs;
import dev.skein.compute.Weight;
import java.util.List;

/** A backend whose step fails when it is told to. */
final class FailingBackend implements Backend {
    private final Backend real;
    private volatile boolean failNext;
    private volatile boolean fatal;

    FailingBackend(Backend real) {
        this.real = real;
    }

    void failNext(boolean fatally) {
        fatal = fatally;
        failNext = true;
    }

    @Override
    public StepOutputs finish() {
        StepOutputs outputs = real.finish();
        if (failNext) {
            failNext = false;
            throw new ComputeException("matmul failed with status 9: made to fail", fatal);
        }
        return outputs;
    }

    @Override
    public String description() {
        return real.description();
    }

    @Override
    public Weight weight(List<HostMatrix> stacked) {
        return real.weight(stacked);
    }

    @Override
    public Weight gatedWeight(HostMatrix gate, HostMatrix up) {
        return real.gatedWeight(gate, up);
    }

    @Override
    public Weight table(HostMatrix matrix) {
        return real.table(matrix);
    }

    @Override
    public Weight vector(HostMatrix matrix) {
        return real.vector(matrix);
    }

    @Override
    public ExpertWeights experts(List<HostMatrix> gate, List<HostMatrix> up, List<HostMatrix> down) {
        return real.experts(gate, up, down);
    }

    @Override
    public Buffer buffer(int maxRows, int columns) {
        return real.buffer(maxRows, columns);
    }

    @Override
    public KvCache kvCache(KvCache.Shape shape) {
        return real.kvCache(shape);
    }

    @Override
    public void begin(StepInputs inputs) {
        real.begin(inputs);
    }

    @Override
    public void embed(Weight table, float scale, Buffer out) {
        real.embed(table, scale, out);
    }

    @Override
    public void rmsNorm(Buffer x, Weight weight, float epsilon, Buffer out) {
        real.rmsNorm(x, weight, epsilon, out);
    }

    @Override
    public void rmsNormAdd(Buffer x, Weight weight, float epsilon, Buffer inOut) {
        real.rmsNormAdd(x, weight, epsilon, inOut);
    }

    @Override
    public void layerNorm(Buffer x, Weight weight, Weight bias, float epsilon, Buffer out) {
        real.layerNorm(x, weight, bias, epsilon, out);
    }

    @Override
    public void addPositions(Weight table, Buffer inOut) {
        real.addPositions(table, inOut);
    }

    @Override
    public void activate(Activation activation, Buffer inOut) {
        real.activate(activation, inOut);
    }

    @Override
    public void read(Buffer buffer, int row, float[] into) {
        real.read(buffer, row, into);
    }

    @Override
    public void bias(Weight vector, Buffer inOut) {
        real.bias(vector, inOut);
    }

    @Override
    public void matmul(Weight weight, Buffer x, Buffer out) {
        real.matmul(weight, x, out);
    }

    @Override
    public void matmulAdd(Weight weight, Buffer x, Buffer inOut) {
        real.matmulAdd(weight, x, inOut);
    }

    @Override
    public void gatedMatmul(Weight gateUp, Activation activation, Buffer x, Buffer out) {
        real.gatedMatmul(gateUp, activation, x, out);
    }

    @Override
    public void experts(Buffer routerLogits, Routing routing, ExpertWeights weights, Buffer x, Buffer inOut) {
        real.experts(routerLogits, routing, weights, x, inOut);
    }

    @Override
    public void headNorm(Buffer qkv, AttentionShape shape, Weight queryNorm, Weight keyNorm, float epsilon) {
        real.headNorm(qkv, shape, queryNorm, keyNorm, epsilon);
    }

    @Override
    public void ropeAndStore(Buffer qkv, AttentionShape shape, Rope rope, KvCache cache, int layer) {
        real.ropeAndStore(qkv, shape, rope, cache, layer);
    }

    @Override
    public void attention(Buffer qkv, AttentionShape shape, KvCache cache, int layer, Buffer out) {
        real.attention(qkv, shape, cache, layer, out);
    }

    @Override
    public void gather(Buffer x, Buffer out) {
        real.gather(x, out);
    }

    @Override
    public void sample(Buffer logits) {
        real.sample(logits);
    }

    @Override
    public void close() {
        real.close();
    }
}
