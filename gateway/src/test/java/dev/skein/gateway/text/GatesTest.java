package dev.skein.gateway.text;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Both gates against the whole text at once, on generated texts cut in every way. */
class GatesTest {
    private static final long SEED = Long.getLong("skein.seed", new Random().nextLong());
    private static final int CASES = 20_000;

    static {
        System.out.println("GatesTest -Dskein.seed=" + SEED);
    }

    private final Random random = new Random(SEED);

    private byte[][] cut(byte[] bytes) {
        List<byte[]> pieces = new ArrayList<>();
        for (int from = 0; from < bytes.length; ) {
            int to = Math.min(bytes.length, from + random.nextInt(5));
            pieces.add(Arrays.copyOfRange(bytes, from, to));
            from = to;
        }
        return pieces.toArray(byte[][]::new);
    }

    private String text() {
        int[] points = random.ints(random.nextInt(12), 0, 5)
                .map(kind -> switch (kind) {
                    case 0 -> 'a' + random.nextInt(3);
                    case 1 -> 0xC0 + random.nextInt(64);
                    case 2 -> 0x4E00 + random.nextInt(100);
                    case 3 -> 0x1F600 + random.nextInt(50);
                    default -> random.nextBoolean() ? 0xFFFD : 0x10FFFF;
                })
                .toArray();
        return new String(points, 0, points.length);
    }

    @Test
    void textInPiecesIsTheTextAndShowsNoPartOfACharacter() {
        for (int i = 0; i < CASES; i++) {
            String whole = text();
            Utf8Gate gate = new Utf8Gate();
            StringBuilder out = new StringBuilder();
            for (byte[] piece : cut(whole.getBytes(UTF_8))) {
                gate.accept(piece, out);
                assertThat(whole).as("case %d", i).startsWith(out.toString());
            }
            gate.finish(out);
            assertThat(out.toString()).as("case %d", i).isEqualTo(whole);
        }
    }

    private static String decoded(byte[]... pieces) {
        Utf8Gate gate = new Utf8Gate();
        StringBuilder out = new StringBuilder();
        for (byte[] piece : pieces) {
            gate.accept(piece, out);
        }
        gate.finish(out);
        return out.toString();
    }

    @Test
    void anyBytesInPiecesDecodeAsTheyDoAtOnce() {
        for (int i = 0; i < CASES; i++) {
            byte[] bytes = new byte[random.nextInt(10)];
            for (int j = 0; j < bytes.length; j++) {
                bytes[j] = (byte)
                        switch (random.nextInt(4)) {
                            case 0 -> random.nextInt(256);
                            case 1 -> 0xE0 + random.nextInt(32);
                            default -> 0x80 + random.nextInt(64);
                        };
            }
            String whole = decoded(bytes);
            assertThat(decoded(cut(bytes))).as(Arrays.toString(bytes)).isEqualTo(whole);
            if (!new String(bytes, ISO_8859_1).contains("\u00ED")) {
                assertThat(whole).as(Arrays.toString(bytes)).isEqualTo(new String(bytes, UTF_8));
            }
        }
    }

    /** Where Java's own decoder is no oracle: it makes one replacement of a surrogate's three bytes. */
    @Test
    void aSurrogateInThreeBytesIsThreeReplacements() {
        assertThat(decoded(new byte[] {(byte) 0xED, (byte) 0xA0, (byte) 0x80})).isEqualTo("\uFFFD\uFFFD\uFFFD");
        assertThat(decoded(new byte[] {(byte) 0xED, (byte) 0x9F, (byte) 0xBF})).isEqualTo("\uD7FF");
    }

    @Test
    void aReplacementCharacterStandsOnlyAtATrueEnd() {
        Utf8Gate gate = new Utf8Gate();
        StringBuilder out = new StringBuilder();
        gate.accept(new byte[] {'a', (byte) 0xF0, (byte) 0x9F}, out);
        assertThat(out.toString()).isEqualTo("a");
        gate.finish(out);
        assertThat(out.toString()).isEqualTo("a\uFFFD");
    }

    private String word(int longest) {
        StringBuilder word = new StringBuilder();
        for (int i = 1 + random.nextInt(longest); i > 0; i--) {
            word.append((char) ('a' + random.nextInt(2)));
        }
        return word.toString();
    }

    /** Where the first stop string to be complete starts and ends; null for none. Looked for in the plainest way. */
    private static int[] truth(String text, List<String> stops, int armedFrom) {
        for (int end = 1; end <= text.length(); end++) {
            if (end <= armedFrom) {
                continue;
            }
            int start = Integer.MAX_VALUE;
            for (String stop : stops) {
                if (text.startsWith(stop, end - stop.length())) {
                    start = Math.min(start, end - stop.length());
                }
            }
            if (start < Integer.MAX_VALUE) {
                return new int[] {start, end};
            }
        }
        return new int[0];
    }

    @Test
    void theTextIsCutAtTheStopStringThatIsCompleteFirst() {
        int found = 0;
        for (int i = 0; i < CASES; i++) {
            String text = word(20);
            List<String> stops =
                    random.ints(random.nextInt(4), 0, 1).mapToObj(_ -> word(5)).toList();
            boolean include = random.nextBoolean();
            StopGate gate = new StopGate(new StopStrings(stops), include);
            StringBuilder out = new StringBuilder();
            boolean stopped = false;
            int[] truth = truth(text, stops, 0);
            String expected = truth.length == 0 ? text : text.substring(0, truth[include ? 1 : 0]);
            for (byte[] piece : cut(text.getBytes(UTF_8))) {
                stopped = gate.accept(new String(piece, UTF_8), true, out);
                assertThat(expected)
                        .as("case %d: no part of a stop string leaks", i)
                        .startsWith(out.toString());
                if (stopped) {
                    break;
                }
            }
            if (!stopped) {
                gate.finish(out);
            } else {
                assertThat(text.substring(truth[0], truth[1])).isEqualTo(stops.get(gate.matched()));
                found++;
            }
            assertThat(stopped).as("case %d: %s in %s", i, stops, text).isEqualTo(truth.length > 0);
            assertThat(out.toString()).as("case %d: %s in %s", i, stops, text).isEqualTo(expected);
        }
        assertThat(found).isGreaterThan(CASES / 10);
    }

    @Test
    void whatEndsBeforeTheGateIsArmedIsText() {
        for (int i = 0; i < CASES; i++) {
            String before = word(8);
            String after = word(8);
            List<String> stops = List.of(word(4), word(4));
            StopGate gate = new StopGate(new StopStrings(stops), false);
            StringBuilder out = new StringBuilder();
            gate.accept(before, false, out);
            boolean stopped = gate.accept(after, true, out);
            gate.finish(out);
            String whole = before + after;
            // A match that ended before does not count; one that begins before and ends after does
            // where the text before has not gone out: its longest tail that a stop string begins with.
            int kept = stops.stream().mapToInt(stop -> tail(before, stop)).max().orElse(0);
            int[] truth = truth(whole.substring(before.length() - kept), stops, kept);
            String expected = truth.length == 0 ? whole : whole.substring(0, before.length() - kept + truth[0]);
            assertThat(stopped).as("case %d", i).isEqualTo(truth.length > 0);
            assertThat(out.toString())
                    .as("case %d: %s in %s|%s", i, stops, before, after)
                    .isEqualTo(expected);
        }
    }

    private static int tail(String text, String stop) {
        for (int length = Math.min(stop.length() - 1, text.length()); length > 0; length--) {
            if (text.endsWith(stop.substring(0, length))) {
                return length;
            }
        }
        return 0;
    }
}
