package dev.skein.gateway.openai;

import dev.skein.protocol.v1.Token;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What came of one sequence: a part of it in a stream, all of it in a body.
 *
 * @param index the choice's index
 * @param text may be empty: held back, or a part of a character
 * @param tokens with logprobs where asked for
 * @param ending null while it goes on
 */
public record Piece(
        int index,
        CharSequence text,
        List<Token> tokens,
        @Nullable Ending ending) {}
