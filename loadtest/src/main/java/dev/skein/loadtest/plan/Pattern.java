package dev.skein.loadtest.plan;

import java.util.random.RandomGenerator;
import java.util.stream.IntStream;

/// When requests are made.
public sealed interface Pattern {

    /// In words, for reports.
    String text();

    /// Closed loop: so many clients, each of which asks again as soon as it has its answer. A slow server is asked
    /// less, so its latencies look better than users would find them.
    record Clients(int count) implements Pattern {
        public Clients {
            atLeastOne("clients", count);
        }

        @Override
        public String text() {
            return count + " clients";
        }
    }

    /// Open loop: requests are due at their times, whether earlier ones were answered or not.
    sealed interface Open extends Pattern {
        /// How many may be open at once, 0 for any number. A request that has to wait for its place has been due
        /// all the while.
        int most();

        /// When each is due, in nanoseconds from the start of the run, rising.
        long[] due(int requests, RandomGenerator random);
    }

    /// At random times. The gaps between requests have a gamma distribution of the mean `1 / perSecond`.
    ///
    /// @param burstiness the distribution's shape: 1 makes a Poisson process, less makes bursts, more
    ///     makes the gaps more alike, and infinity makes them all the same
    record Rate(double perSecond, double burstiness, int most) implements Open {
        private static final double NANOS = 1e9;

        public Rate {
            if (!(perSecond > 0) || Double.isInfinite(perSecond)) {
                throw new IllegalArgumentException(
                        "a rate of " + perSecond + " requests a second; it must be more than 0");
            }
            if (!(burstiness > 0)) {
                throw new IllegalArgumentException("a burstiness of " + burstiness + "; it must be more than 0");
            }
            notNegative(most);
        }

        @Override
        public long[] due(int requests, RandomGenerator random) {
            long[] due = new long[requests];
            double at = 0;
            for (int i = 0; i < requests; i++) {
                due[i] = Math.round(at * NANOS);
                at += gap(random);
            }
            return due;
        }

        private double gap(RandomGenerator random) {
            return Double.isInfinite(burstiness) ? 1 / perSecond : gamma(burstiness, random) / burstiness / perSecond;
        }

        /// Marsaglia and Tsang, A simple method for generating gamma variables, 2000: a cubed normal variable,
        /// accepted nearly always. Shapes below 1 are had from one more.
        private static double gamma(double shape, RandomGenerator random) {
            if (shape < 1) {
                return gamma(shape + 1, random) * Math.pow(1 - random.nextDouble(), 1 / shape);
            }
            double d = shape - 1.0 / 3;
            while (true) {
                double normal = random.nextGaussian();
                double cubed = Math.pow(1 + normal / Math.sqrt(9 * d), 3);
                if (cubed > 0
                        && Math.log(1 - random.nextDouble())
                                < normal * normal / 2 + d * (1 - cubed + Math.log(cubed))) {
                    return d * cubed;
                }
            }
        }

        @Override
        public String text() {
            String shape = burstiness == 1
                    ? "at random times"
                    : Double.isInfinite(burstiness) ? "at even times" : "of burstiness " + burstiness;
            return perSecond + " requests a second " + shape + atMost(most);
        }
    }

    /// At the times of a trace.
    ///
    /// @param millis when each is due, from the trace's start, rising
    /// @param speed 2 replays twice as fast
    record Replay(double[] millis, double speed, int most) implements Open {
        private static final double NANOS = 1e6;

        public Replay {
            millis = millis.clone();
            if (!(speed > 0) || Double.isInfinite(speed)) {
                throw new IllegalArgumentException("a replay at " + speed + " times its speed; it must be more than 0");
            }
            notNegative(most);
        }

        @Override
        public long[] due(int requests, RandomGenerator random) {
            if (requests > millis.length) {
                throw new IllegalArgumentException(
                        requests + " requests of a trace of " + millis.length + "; ask for no more than it has");
            }
            return IntStream.range(0, requests)
                    .mapToLong(i -> Math.round((millis[i] - millis[0]) / speed * NANOS))
                    .toArray();
        }

        @Override
        public String text() {
            return "a trace at " + speed + " times its speed" + atMost(most);
        }
    }

    private static String atMost(int most) {
        return most == 0 ? "" : ", at most " + most + " at once";
    }

    private static void notNegative(int most) {
        if (most < 0) {
            throw new IllegalArgumentException(
                    "at most " + most + " requests at once; give 1 or more, or 0 for no bound");
        }
    }

    private static void atLeastOne(String what, int count) {
        if (count < 1) {
            throw new IllegalArgumentException(count + " " + what + "; at least 1 is needed");
        }
    }
}
