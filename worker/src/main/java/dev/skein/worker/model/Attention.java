package dev.skein.worker.model;

import dev.skein.compute.AttentionShape;
import dev.skein.compute.Backend;
import dev.skein.compute.Buffer;
import dev.skein.compute.KvCache;
import dev.skein.compute.Rope;
import dev.skein.compute.Weight;
import dev.skein.worker.model.Parts.Matrix;
import org.jspecify.annotations.Nullable;

/**
 * Grouped-query attention with rotary positions (Ainslie et al., arXiv 2305.13245; Su et al., arXiv 2104.09864):
 *
 * <pre>
 * q, k, v = QKV n;   attention = O softmax(rope(q) rope(k)^T scale) v
 * </pre>
 *
 * Queries, keys and values come from one product of three matrices stacked. A family may add a bias to them, or normalise
 * each head of queries and keys, both before they are turned.
 */
record Attention(
        int layer,
        AttentionShape shape,
        Rope rope,
        Weight qkv,
        @Nullable Weight bias,
        @Nullable HeadNorms headNorms,
        Weight output,
        PartialSum sum,
        Buffer normed,
        Buffer fused,
        Buffer attended) {

    /** The norms of a head of queries and of a head of keys; all heads of a layer share them. */
    record HeadNorms(Weight queries, Weight keys, float epsilon) {
        static HeadNorms of(Parts parts, int layer) {
            int size = parts.config().heads().size();
            return new HeadNorms(
                    parts.vector(Parts.name(layer, "attn_q_norm"), size),
                    parts.vector(Parts.name(layer, "attn_k_norm"), size),
                    parts.config().epsilon());
        }
    }

    static Attention plain(Parts parts, int layer) {
        return of(parts, layer, Decoder.normed(parts), null, null);
    }

    static Attention withBias(Parts parts, int layer) {
        return withBias(parts, layer, Decoder.normed(parts));
    }

    /** @param input what is read */
    static Attention withBias(Parts parts, int layer, Buffer input) {
        ModelConfig.Heads heads = parts.config().heads();
        Span queries = parts.shard().queryHeads().times(heads.size());
        Span keys = parts.shard().keyValueHeads().times(heads.size());
        Weight bias = parts.stackedVector(
                new Matrix("blk.%d.attn_q.bias".formatted(layer), 1, heads.queryColumns()).takeColumns(queries),
                new Matrix("blk.%d.attn_k.bias".formatted(layer), 1, heads.keyColumns()).takeColumns(keys),
                new Matrix("blk.%d.attn_v.bias".formatted(layer), 1, heads.keyColumns()).takeColumns(keys));
        return of(parts, layer, input, bias, null);
    }

    static Attention withHeadNorms(Parts parts, int layer) {
        return of(parts, layer, Decoder.normed(parts), null, HeadNorms.of(parts, layer));
    }

    private static Attention of(
            Parts parts, int layer, Buffer input, @Nullable Weight bias, @Nullable HeadNorms headNorms) {
        ModelConfig config = parts.config();
        Shard shard = parts.shard();
        Span queries = shard.queryHeads().times(config.heads().size());
        Span keys = shard.keyValueHeads().times(config.heads().size());
        AttentionShape shape = shard.attention(config, layer);
        return new Attention(
                // A text that is embedded is computed in one step: its keys are needed no longer than their layer.
                parts.embeds() ? 0 : shard.cacheLayer(layer),
                shape,
                config.rope(layer),
                parts.weight(
                        queries(config, layer).takeRows(queries),
                        keys(config, layer).takeRows(keys),
                        values(config, layer).takeRows(keys)),
                bias,
                headNorms,
                parts.weight(output(config, layer).takeColumns(queries)),
                PartialSum.of(parts),
                input,
                parts.tokens("qkv", shape.fusedColumns()),
                parts.tokens("attended", queries.size()));
    }

    static Matrix queries(ModelConfig config, int layer) {
        return new Matrix(Parts.name(layer, "attn_q"), config.heads().queryColumns(), config.hidden());
    }

    static Matrix keys(ModelConfig config, int layer) {
        return new Matrix(Parts.name(layer, "attn_k"), config.heads().keyColumns(), config.hidden());
    }

    static Matrix values(ModelConfig config, int layer) {
        return new Matrix(Parts.name(layer, "attn_v"), config.heads().keyColumns(), config.hidden());
    }

    static Matrix output(ModelConfig config, int layer) {
        return new Matrix(
                Parts.name(layer, "attn_output"),
                config.hidden(),
                config.heads().queryColumns());
    }

    /** {@code inOut += attention(normed)}. */
    void add(Backend backend, KvCache cache, Buffer inOut) {
        attend(backend, cache);
        sum.add(backend, output, attended, inOut);
    }

    /** {@code out = attention(normed)}. */
    void put(Backend backend, KvCache cache, Buffer out) {
        attend(backend, cache);
        sum.put(backend, output, attended, out);
    }

    private void attend(Backend backend, KvCache cache) {
        backend.matmul(qkv, normed, fused);
        if (bias != null) {
            backend.bias(bias, fused);
        }
        if (headNorms != null) {
            backend.headNorm(fused, shape, headNorms.queries, headNorms.keys, headNorms.epsilon);
        }
        backend.ropeAndStore(fused, shape, rope, cache, layer);
        backend.attention(fused, shape, cache, layer, attended);
    }
}
