package dev.skein.gateway.json;

import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.TokenStreamLocation;
import tools.jackson.core.exc.StreamConstraintsException;
import tools.jackson.core.exc.UnexpectedEndOfInputException;
import tools.jackson.core.json.JsonFactory;

/**
 * Reads JSON into {@code LinkedHashMap}, {@code ArrayList}, {@code String}, {@code Long} (or {@code BigInteger} where
 * it does not fit), {@code Double}, {@code Boolean} and null. Of a key given twice the last counts, at its first place.
 * Half a surrogate pair is refused: no text in UTF-8 can hold it.
 *
 * <p>Thread-safe.
 */
public final class JsonReader {
    /** Digits of the longest number. */
    static final int LONGEST_NUMBER = 400;

    /** Values and brackets at most: each may take fifty times the memory that it takes in a body. */
    static final int MOST_TOKENS = 2_000_000;

    private static final int LONGEST_NAME = 50_000;

    private final JsonFactory factory;

    /**
     * @param nesting deepest objects and arrays
     * @param longest bytes of the longest string
     */
    public JsonReader(int nesting, int longest) {
        factory = JsonFactory.builder()
                .streamReadConstraints(StreamReadConstraints.builder()
                        .maxNestingDepth(nesting)
                        .maxNumberLength(LONGEST_NUMBER)
                        .maxStringLength(longest)
                        .maxNameLength(LONGEST_NAME)
                        .maxTokenCount(MOST_TOKENS)
                        .build())
                .disable(StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION)
                .build();
    }

    /**
     * Reads one value that fills {@code json}.
     *
     * @throws JsonException if it does not, or passes the bounds
     */
    public @Nullable Object read(byte[] json) {
        try (JsonParser parser = factory.createParser(ObjectReadContext.empty(), json)) {
            return whole(parser);
        } catch (JacksonException e) {
            throw wrong(e);
        }
    }

    /** The same from a stream, which is closed. */
    public @Nullable Object read(InputStream json) throws IOException {
        try (json;
                JsonParser parser = factory.createParser(ObjectReadContext.empty(), json)) {
            return whole(parser);
        } catch (JacksonException e) {
            throw wrong(e);
        }
    }

    private static @Nullable Object whole(JsonParser parser) {
        JsonToken first = parser.nextToken();
        if (first == null) {
            throw new JsonException("nothing to read; a JSON value is expected");
        }
        Object value = value(parser, first);
        if (parser.nextToken() != null) {
            throw new JsonException("more after the end of the value at " + place(parser.currentTokenLocation()));
        }
        return value;
    }

    // Recursion is bounded by the parser's own bound on nesting.
    private static @Nullable Object value(JsonParser parser, JsonToken token) {
        return switch (token) {
            case START_OBJECT -> object(parser);
            case START_ARRAY -> array(parser);
            case VALUE_STRING -> whole(parser, parser.getString());
            case VALUE_NUMBER_INT -> integer(parser);
            case VALUE_NUMBER_FLOAT -> parser.getDoubleValue();
            case VALUE_TRUE -> true;
            case VALUE_FALSE -> false;
            case VALUE_NULL -> null;
            default -> throw new IllegalStateException(token + " is no beginning of a value");
        };
    }

    private static Number integer(JsonParser parser) {
        return parser.getNumberType() == JsonParser.NumberType.BIG_INTEGER
                ? parser.getBigIntegerValue()
                : parser.getLongValue();
    }

    private static Map<String, @Nullable Object> object(JsonParser parser) {
        Map<String, @Nullable Object> object = new LinkedHashMap<>();
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            String name = whole(parser, parser.currentName());
            object.put(name, value(parser, parser.nextToken()));
        }
        return object;
    }

    private static List<@Nullable Object> array(JsonParser parser) {
        List<@Nullable Object> array = new ArrayList<>();
        for (JsonToken token = parser.nextToken(); token != JsonToken.END_ARRAY; token = parser.nextToken()) {
            array.add(value(parser, token));
        }
        return array;
    }

    private static String whole(JsonParser parser, String text) {
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (!Character.isSurrogate(c)) {
                continue;
            }
            if (!Character.isHighSurrogate(c)
                    || i + 1 == text.length()
                    || !Character.isLowSurrogate(text.charAt(i + 1))) {
                throw new JsonException(String.format(
                        "a string holds \\u%04x, half of a surrogate pair, which is no character, at %s",
                        (int) c, place(parser.currentTokenLocation())));
            }
            i++;
        }
        return text;
    }

    private JsonException wrong(JacksonException e) {
        String what = switch (e) {
            case StreamConstraintsException passed -> "a bound is passed: " + bound(passed.getOriginalMessage());
            case UnexpectedEndOfInputException _ -> "it ends too early";
            default -> "what stands there is not JSON";
        };
        TokenStreamLocation at = e.getLocation();
        return new JsonException(at == null ? what : what + " at " + place(at));
    }

    // Only the library's words tell which of the bounds it was.
    private String bound(String message) {
        if (message.contains("depth")) {
            return "the nesting is deeper than "
                    + factory.streamReadConstraints().getMaxNestingDepth() + " levels";
        }
        if (message.startsWith("Number")) {
            return "a number has more than " + LONGEST_NUMBER + " digits";
        }
        if (message.startsWith("Token")) {
            return "there are more than " + MOST_TOKENS + " values and brackets";
        }
        return message.startsWith("Name")
                ? "a name has more than " + LONGEST_NAME + " characters"
                : "a string is longer than " + factory.streamReadConstraints().getMaxStringLength() + " characters";
    }

    private static String place(TokenStreamLocation at) {
        return "line " + at.getLineNr() + ", column " + at.getColumnNr();
    }
}
