package dev.skein.gateway.text;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.skein.gateway.json.JsonException;
import dev.skein.gateway.json.JsonReader;
import dev.skein.protocol.v1.GgufVocabulary;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Reads vocabularies out of the two forms in which model files hold them. */
final class Vocabularies {
    private static final int NORMAL = 1;
    private static final int UNKNOWN = 2;
    private static final int CONTROL = 3;
    private static final int BYTE = 6;
    private static final int NESTING = 64;

    private Vocabularies() {}

    static Vocabulary of(GgufVocabulary gguf) {
        boolean byteLevel = gguf.getModel().equals("gpt2");
        Vocabulary.Builder builder = new Vocabulary.Builder();
        builder.leadingSpace(!byteLevel && gguf.getAddSpacePrefix());
        for (int id = 0; id < gguf.getTokensCount(); id++) {
            String piece = gguf.getTokens(id);
            int type = id < gguf.getTypesCount() ? gguf.getTypes(id) : NORMAL;
            byte[] bytes = switch (type) {
                case NORMAL -> byteLevel ? ByteAlphabet.bytes(piece) : spaced(piece);
                case BYTE -> fallback(piece);
                default -> piece.getBytes(UTF_8);
            };
            builder.put(id, piece, bytes, type == CONTROL || !byteLevel && type == UNKNOWN);
        }
        return builder.build();
    }

    /** @throws TokenizerException if it has no vocabulary */
    static Vocabulary of(byte[] tokenizerJson) {
        Object root = read(tokenizerJson);
        Map<?, ?> model = map(map(root).get("model"));
        if (!(vocabulary(model.get("vocab")) instanceof Map<?, ?> vocab)) {
            throw new TokenizerException("tokenizer.json has no model.vocab that maps tokens to ids (model type "
                    + model.get("type") + "); BPE, WordPiece and Unigram are what is known");
        }
        boolean words = "WordPiece".equals(model.get("type"));
        String goesOn = model.get("continuing_subword_prefix") instanceof String prefix ? prefix : "##";
        boolean byteLevel = mentions(map(root).get("decoder"), "ByteLevel");
        Vocabulary.Builder builder = new Vocabulary.Builder();
        builder.leadingSpace(words
                || !byteLevel
                        && (mentions(map(root).get("decoder"), "Strip")
                                || mentions(map(root).get("decoder"), "Metaspace")));
        boolean fallback = Boolean.TRUE.equals(model.get("byte_fallback"));
        vocab.forEach((piece, id) -> builder.put(
                id(id),
                (String) piece,
                words ? word((String) piece, goesOn) : bytes((String) piece, byteLevel, fallback),
                false));
        if (map(root).get("added_tokens") instanceof List<?> added) {
            for (Object token : added) {
                String content = String.valueOf(map(token).get("content"));
                builder.put(
                        id(map(token).get("id")),
                        content,
                        content.getBytes(UTF_8),
                        Boolean.TRUE.equals(map(token).get("special")));
            }
        }
        return builder.build();
    }

    /** By piece: a Unigram's is a list of pieces with their scores, whose ids are their places. */
    private static @Nullable Object vocabulary(@Nullable Object vocab) {
        if (!(vocab instanceof List<?> pieces)) {
            return vocab;
        }
        Map<String, Long> ids = HashMap.newHashMap(pieces.size());
        for (int i = 0; i < pieces.size(); i++) {
            if (!(pieces.get(i) instanceof List<?> entry)
                    || entry.isEmpty()
                    || !(entry.getFirst() instanceof String piece)) {
                throw new TokenizerException(
                        "piece " + i + " of tokenizer.json's model.vocab is not a text and a score");
            }
            ids.put(piece, (long) i);
        }
        return ids;
    }

    /** A piece that begins a word comes after a space. */
    private static byte[] word(String piece, String goesOn) {
        String text = piece.startsWith(goesOn) ? piece.substring(goesOn.length()) : " " + piece;
        return text.getBytes(UTF_8);
    }

    private static @Nullable Object read(byte[] json) {
        try {
            return new JsonReader(NESTING, json.length).read(json);
        } catch (JsonException e) {
            throw new TokenizerException("tokenizer.json cannot be read: " + e.getMessage(), e);
        }
    }

    private static byte[] bytes(String piece, boolean byteLevel, boolean fallback) {
        if (byteLevel) {
            return ByteAlphabet.bytes(piece);
        }
        return fallback && isFallback(piece) ? fallback(piece) : spaced(piece);
    }

    private static byte[] spaced(String piece) {
        return piece.replace('\u2581', ' ').getBytes(UTF_8);
    }

    private static boolean isFallback(String piece) {
        return piece.length() == 6 && piece.startsWith("<0x") && piece.endsWith(">");
    }

    private static byte[] fallback(String piece) {
        try {
            return new byte[] {(byte) Integer.parseInt(piece.substring(3, piece.length() - 1), 16)};
        } catch (NumberFormatException | IndexOutOfBoundsException e) {
            throw new TokenizerException("the byte token " + piece + " does not read <0xNN>", e);
        }
    }

    private static int id(@Nullable Object value) {
        if (value instanceof Long id && id >= 0 && id < 1 << 24) {
            return id.intValue();
        }
        throw new TokenizerException("the token id " + value + " is not a number from 0 to 16777215");
    }

    private static boolean mentions(@Nullable Object decoder, String type) {
        return switch (decoder) {
            case Map<?, ?> map -> type.equals(map.get("type")) || mentions(map.get("decoders"), type);
            case List<?> list -> list.stream().anyMatch(one -> mentions(one, type));
            case null, default -> false;
        };
    }

    private static Map<?, ?> map(@Nullable Object value) {
        return value instanceof Map<?, ?> map ? map : Map.of();
    }
}
