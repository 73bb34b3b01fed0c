/**
 * Between text and token ids.
 *
 * <p>{@link dev.skein.gateway.text.Tokenizer} turns text into ids; the splitting and merging is Hugging Face's native
 * library, fed either with a model's own tokenizer.json or with one made from a GGUF file's vocabulary
 * ({@link dev.skein.gateway.text.TokenizerJson}). The way back is ours: a {@link
 * dev.skein.gateway.text.Vocabulary} knows the bytes of each id, so ids become bytes and bytes become text without
 * decoding any id twice.
 *
 * <p>A token may end in the middle of a character, and a stop string may begin in one token and end in another. So text
 * passes through two gates, each of which keeps back only what may still change: {@link
 * dev.skein.gateway.text.Utf8Gate} an unfinished character, {@link dev.skein.gateway.text.StopGate} the longest tail
 * that a stop string could begin with. Both are exact for any way of cutting a text into pieces: what comes out, put
 * together, is what the whole text would have given.
 */
@NullMarked
package dev.skein.gateway.text;

import org.jspecify.annotations.NullMarked;
