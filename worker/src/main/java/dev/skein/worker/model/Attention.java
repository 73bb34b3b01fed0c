package dev.skein.worker.model;

import dev.skein.compute.AttentionShape;
import dev.skein.compute.Backend;
import dev.skein.compute.Buffer;
import dev.skein.compute.KvCache;
import dev.skein.compute.Rope;
import dev.skein.compute.Weight;
import dev.skein.worker.model.Parts.Matrix;

/**
 * Grouped-query attention with rotary positions (Ainslie et al., arXiv 2305.13245; Su et al., arXiv 2104.09864):
 *
 * <pre>
 * q, k, v = QKV n;   attended = O softmax(rope(q) rope(k)^T scale) v
 * </pre>
 *
 * Queries, keys and values come from one product of three matrices stacked.
 */
record Attention(
        int layer,
        AttentionShape shape,
        Rope rope,
        Weight qkv,
        Weight output,
        Buffer normed,
        Buffer fused,
        Buffer attended) {

    static Attention of(Parts parts, int layer) {
        ModelConfig config = parts.config();
        ModelConfig.Heads heads = config.heads();
        AttentionShape shape = config.attention(layer);
        return new Attention(
                layer,
                shape,
                config.rope(layer),
                parts.weight(
                        new Matrix(name(layer, "attn_q"), heads.queryColumns(), config.hidden()),
                        new Matrix(name(layer, "attn_k"), heads.keyColumns(), config.hidden()),
                        new Matrix(name(layer, "attn_v"), heads.keyColumns(), config.hidden())),
                parts.weight(new Matrix(name(layer, "attn_output"), config.hidden(), heads.queryColumns())),
                Decoder.normed(parts),
                parts.tokens("qkv", shape.fusedColumns()),
                parts.tokens("attended", heads.queryColumns()));
    }

    static String name(int layer, String part) {
        return "blk.%d.%s.weight".formatted(layer, part);
    }

    /** {@code inOut += attention(normed)}. */
    void enqueue(Backend backend, KvCache cache, Buffer inOut) {
        backend.matmul(qkv, normed, fused);
        backend.ropeAndStore(fused, shape, rope, cache, layer);
        backend.attention(fused, shape, cache, layer, attended);
        backend.matmulAdd(output, attended, inOut);
    }
}
