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
import tools.jackson.core.json.JsonFactory;

/**
 * Reads JSON into {@code LinkedHashMap}, {@code ArrayList}, {@code String}, {@code Long} (or {@code BigInteger} where
 * it does not fit), {@code Double}, {@code Boolean} and null. Of a key given twice the last counts, at its first place.
 *
 * <p>Thread-safe.
 */
public final class JsonReader {
    /** Digits of the longest number. */
    static final int LONGEST_NUMBER = 400;

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
            case VALUE_STRING -> parser.getString();
            case VALUE_NUMBER_INT -> integer(parser);
            case VALUE_NUMBER_FLOAT -> parser.getDoubleValue();
            case VALUE_TRUE -> true;
            case VALUE_FALSE -> false;
            case VALUE_NULL -> null;
            default -> throw new JsonException("unexpected " + token + " at " + place(parser.currentTokenLocation()));
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
            String name = parser.currentName();
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

    private static JsonException wrong(JacksonException e) {
        String what = e instanceof StreamConstraintsException ? "a bound is passed: " : "";
        TokenStreamLocation at = e.getLocation();
        return new JsonException(what + firstLine(e.getOriginalMessage()) + (at == null ? "" : " at " + place(at)));
    }

    private static String firstLine(@Nullable String message) {
        return message == null ? "not JSON" : message.lines().findFirst().orElse("not JSON");
    }

    private static String place(TokenStreamLocation at) {
        return "line " + at.getLineNr() + ", column " + at.getColumnNr();
    }
}
