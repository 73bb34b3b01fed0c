package dev.skein.loadtest.report;

import dev.skein.loadtest.measure.Samples;
import io.vertx.core.json.JsonObject;
import java.util.List;
import java.util.Locale;

/// One line of a report.
///
/// @param name says what was done
/// @param samples one of each run
/// @param unit of the samples, such as tok/s
public record Figure(String name, Samples samples, String unit) {

    public static String text(List<Figure> figures) {
        StringBuilder text = new StringBuilder();
        for (Figure figure : figures) {
            text.append(
                    String.format(Locale.ROOT, "  %-34s %26s %s%n", figure.name, figure.samples.text(), figure.unit));
        }
        return text.toString();
    }

    public static JsonObject json(List<Figure> figures) {
        JsonObject json = new JsonObject();
        figures.forEach(figure -> json.put(figure.name, figure.samples.json().put("unit", figure.unit)));
        return json;
    }
}
