package dev.skein.loadtest.plan;

import java.util.List;
import java.util.Locale;
import java.util.random.RandomGenerator;

/// How long prompts and answers are.
public sealed interface Sizes {

    /// @param promptWords without the shared prefix; where there is none, 0 means 1
    /// @param maxTokens of the answer, which is asked not to end before
    record Size(int promptWords, int maxTokens) {
        public Size {
            if (promptWords < 0 || maxTokens < 1) {
                throw new IllegalArgumentException("a prompt of " + promptWords + " words and an answer of " + maxTokens
                        + " tokens; at least 0 words and 1 token are needed");
            }
        }
    }

    /// The size of one request.
    ///
    /// @param random of that request
    Size of(int request, RandomGenerator random);

    /// In words, for reports.
    String text();

    /// From the least to the most, both included; a fixed number where they are equal.
    record Range(int least, int most) {
        public Range {
            if (least < 0 || most < least) {
                throw new IllegalArgumentException(
                        "a range of " + least + " to " + most + "; it must rise from 0 or more");
            }
        }

        /// Reads a count, `64`, or a range, `16-256`.
        ///
        /// @throws IllegalArgumentException for anything else
        public static Range parse(String text) {
            String[] ends = text.split("-", -1);
            try {
                int least = Integer.parseInt(ends[0].strip());
                int most = Integer.parseInt(ends[ends.length - 1].strip());
                if (ends.length <= 2) {
                    return new Range(least, most);
                }
            } catch (NumberFormatException e) {
                // Said below.
            }
            throw new IllegalArgumentException("'" + text + "' is no count such as 64 and no range such as 16-256");
        }

        int pick(RandomGenerator random) {
            return random.nextInt(least, most + 1);
        }

        @Override
        public String toString() {
            return least == most ? Integer.toString(least) : least + "-" + most;
        }
    }

    /// Each length anywhere in its range, alike.
    record Spread(Range promptWords, Range maxTokens) implements Sizes {
        public Spread {
            if (maxTokens.least < 1) {
                throw new IllegalArgumentException("answers of " + maxTokens + " tokens; at least 1 is needed");
            }
        }

        @Override
        public Size of(int request, RandomGenerator random) {
            return new Size(promptWords.pick(random), maxTokens.pick(random));
        }

        @Override
        public String text() {
            return "prompts of " + promptWords + " words, answers of " + maxTokens + " tokens";
        }
    }

    /// Those of a file in turn, from its start again when it ends.
    record Listed(List<Size> sizes) implements Sizes {
        public Listed {
            sizes = List.copyOf(sizes);
            if (sizes.isEmpty()) {
                throw new IllegalArgumentException("a list of no lengths; one is needed");
            }
        }

        @Override
        public Size of(int request, RandomGenerator random) {
            return sizes.get(request % sizes.size());
        }

        @Override
        public String text() {
            return String.format(
                    Locale.ROOT,
                    "lengths of a file: prompts of %.0f words and answers of %.0f tokens on average",
                    sizes.stream().mapToInt(Size::promptWords).average().orElseThrow(),
                    sizes.stream().mapToInt(Size::maxTokens).average().orElseThrow());
        }
    }
}
