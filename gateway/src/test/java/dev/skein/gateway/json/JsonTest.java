package dev.skein.gateway.json;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.ObjectMapper;

class JsonTest {
    private static final long SEED = Long.getLong("skein.seed", new Random().nextLong());
    private static final JsonReader READER = new JsonReader(20, 1 << 20);

    static {
        System.out.println("JsonTest -Dskein.seed=" + SEED);
    }

    private final Random random = new Random(SEED);

    private static @Nullable Object read(String json) {
        return READER.read(json.getBytes(UTF_8));
    }

    @Test
    void valuesAreThoseThatTemplatesRead() {
        assertThat(read("{\"a\":[1,-2.5,true,false,null,\"x\\u00e9\"],\"b\":{\"c\":99999999999999999999}}"))
                .isEqualTo(map(
                        "a",
                        list(1L, -2.5, true, false, null, "xé"),
                        "b",
                        map("c", new BigInteger("99999999999999999999"))));
    }

    @Test
    void ofAKeyGivenTwiceTheLastCounts() {
        assertThat(read("{\"a\":1,\"b\":2,\"a\":3}")).isEqualTo(map("a", 3L, "b", 2L));
    }

    @Test
    void whatIsNotOneValueIsRefusedWithItsPlace() {
        for (String wrong :
                new String[] {"", "{", "[1,]", "{\"a\":1}x", "nul", "\"\u0001\"", "01", "{'a':1}", "\"\\x\""}) {
            assertThatThrownBy(() -> read(wrong)).as(wrong).isInstanceOf(JsonException.class);
        }
        assertThatThrownBy(() -> read("{\n  \"a\": tru}")).hasMessageContaining("line 2");
    }

    @Test
    void messagesAreOurOwn() {
        assertRefused("", "nothing to read; a JSON value is expected");
        assertRefused("{\"a\": 1", "it ends too early at line 1, column 8");
        assertRefused("{\n\"a\": tru}", "what stands there is not JSON at line 2, column 6");
        assertRefused("1 2", "more after the end of the value at line 1, column 3");
        assertRefused("[".repeat(21), "a bound is passed: the nesting is deeper than 20 levels");
        assertRefused(
                "\"x\\ud800\"",
                "a string holds \\ud800, half of a surrogate pair, which is no character," + " at line 1, column 1");
        assertThat(read("\"\\ud83d\\ude00\"")).isEqualTo("\uD83D\uDE00");
    }

    private static void assertRefused(String json, String message) {
        assertThatThrownBy(() -> read(json)).isInstanceOf(JsonException.class).hasMessage(message);
    }

    @Test
    void boundsHold() {
        assertThatThrownBy(() -> read("[" + "0,".repeat(JsonReader.MOST_TOKENS) + "0]"))
                .hasMessageContaining("more than 2000000 values");
        assertThat(read("[".repeat(20) + "]".repeat(20))).isNotNull();
        assertThatThrownBy(() -> read("[".repeat(21) + "]".repeat(21)))
                .isInstanceOf(JsonException.class)
                .hasMessageContaining("a bound is passed");
        assertThatThrownBy(() -> read("9".repeat(JsonReader.LONGEST_NUMBER + 1)))
                .isInstanceOf(JsonException.class);
        assertThatThrownBy(() -> read("\"" + "x".repeat((1 << 20) + 1) + "\"")).isInstanceOf(JsonException.class);
    }

    private static Map<String, @Nullable Object> map(@Nullable Object... entries) {
        Map<String, @Nullable Object> map = new LinkedHashMap<>();
        for (int i = 0; i < entries.length; i += 2) {
            map.put(String.valueOf(entries[i]), entries[i + 1]);
        }
        return map;
    }

    private static List<@Nullable Object> list(@Nullable Object... values) {
        List<@Nullable Object> list = new ArrayList<>();
        for (Object value : values) {
            list.add(value);
        }
        return list;
    }

    private @Nullable Object value(int depth) {
        return switch (random.nextInt(depth > 4 ? 6 : 8)) {
            case 0 -> null;
            case 1 -> random.nextBoolean();
            case 2 -> random.nextLong();
            case 3 -> random.nextGaussian();
            case 4, 5 -> text();
            case 6 -> {
                List<@Nullable Object> list = new ArrayList<>();
                for (int i = random.nextInt(4); i > 0; i--) {
                    list.add(value(depth + 1));
                }
                yield list;
            }
            default -> {
                Map<String, @Nullable Object> map = new LinkedHashMap<>();
                for (int i = random.nextInt(4); i > 0; i--) {
                    map.put(text(), value(depth + 1));
                }
                yield map;
            }
        };
    }

    private String text() {
        StringBuilder text = new StringBuilder();
        for (int i = random.nextInt(20); i > 0; i--) {
            switch (random.nextInt(4)) {
                case 0 -> text.append((char) random.nextInt(0x20));
                case 1 -> text.append("\"\\/\u007F\u2028".charAt(random.nextInt(5)));
                case 2 -> text.appendCodePoint(0x10000 + random.nextInt(0x1000));
                default -> text.append((char) (0x20 + random.nextInt(0xD000)));
            }
        }
        return text.toString();
    }

    @Test
    void whatIsWrittenReadsBackTheSame() {
        JsonWriter writer = new JsonWriter();
        for (int i = 0; i < 5000; i++) {
            Object value = value(0);
            byte[] json = writer.reset().any(value).toBytes();
            assertThat(READER.read(json)).as(new String(json, UTF_8)).isEqualTo(value);
            assertThat(new ObjectMapper().readTree(json)).isEqualTo(new ObjectMapper().valueToTree(value));
        }
    }

    @Test
    void commasComeByThemselves() {
        JsonWriter out = new JsonWriter();
        out.beginObject()
                .field("a", 1)
                .name("b")
                .beginArray()
                .value(1)
                .value("x")
                .beginObject()
                .endObject();
        out.endArray().nulField("c").name("d").value(0.5f).endObject();
        assertThat(new String(out.toBytes(), UTF_8)).isEqualTo("{\"a\":1,\"b\":[1,\"x\",{}],\"c\":null,\"d\":0.5}");
    }

    @Test
    void halfASurrogatePairAndNumbersThatJsonLacksAreReplaced() {
        JsonWriter out = new JsonWriter();
        out.beginArray()
                .value("a\uD83Db\uDE00")
                .value(Double.NaN)
                .value(Float.POSITIVE_INFINITY)
                .endArray();
        assertThat(new String(out.toBytes(), UTF_8)).isEqualTo("[\"a\uFFFDb\uFFFD\",null,null]");
    }
}
