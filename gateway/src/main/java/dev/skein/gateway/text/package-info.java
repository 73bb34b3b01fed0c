/**
 * Between text and token ids.
 *
 * <p>{@link dev.skein.gateway.text.Tokenizer} turns text into ids: byte-level vocabularies, which most models have, with
 * our own merging ({@link dev.skein.gateway.text.ByteLevelTokenizer}), all others with Hugging Face's native library. The
 * way back is ours too: a {@link dev.skein.gateway.text.Vocabulary} knows the bytes of each id, so ids become bytes and
 * bytes become text without decoding any id twice.
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
