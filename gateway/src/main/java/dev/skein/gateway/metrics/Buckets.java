package dev.skein.gateway.metrics;

import java.util.ArrayList;
import java.util.List;

/** Upper bounds of vLLM's histograms. */
final class Buckets {
    static final double[] FIRST_TOKEN = {
        .001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560
    };
    static final double[] BETWEEN_TOKENS = {
        .01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80
    };
    static final double[] REQUEST = {
        .3, .5, .8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680
    };
    static final double[] CHOICES = {1, 2, 5, 10, 20};
    static final double[] STEP = {1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384};
    static final double[] HTTP = {.1, .5, 1};
    static final double[] HTTP_FINE = {
        .01, .025, .05, .075, .1, .25, .5, .75, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 7.5, 10, 30, 60
    };

    private Buckets() {}

    /** 1, 2, 5, 10, 20 ... not above {@code most}. */
    static double[] upTo(int most) {
        List<Double> bounds = new ArrayList<>();
        for (long power = 1; power <= most; power *= 10) {
            for (int step : new int[] {1, 2, 5}) {
                if (step * power <= most) {
                    bounds.add((double) (step * power));
                }
            }
        }
        return bounds.stream().mapToDouble(Double::doubleValue).toArray();
    }
}
