package dev.skein.cli.model.hub;

import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// What a model is called on a hub: `ORG/NAME`, or `ORG/NAME:QUANT` for one of several GGUF files.
///
/// @param quant as it was given, such as `Q4_K_M`; null for none
public record HubName(
        String organization, String name, @Nullable String quant) {
    private static final String WORD = "[A-Za-z0-9](?:[\\w.-]{0,94}\\w)?";
    private static final Pattern TEXT = Pattern.compile("(" + WORD + ")/(" + WORD + ")(?::(" + WORD + "))?");

    /// @throws IllegalArgumentException if a part could not be the name of a folder
    public HubName {
        for (String word : new String[] {organization, name, quant == null ? "x" : quant}) {
            if (!word.matches(WORD) || word.contains("..")) {
                throw new IllegalArgumentException("'" + word + "' is no part of a hub's name: letters, digits, - _ .");
            }
        }
    }

    /// Nothing if the text cannot be such a name.
    public static Optional<HubName> of(String text) {
        Matcher matcher = TEXT.matcher(text);
        return matcher.matches() && !text.contains("..")
                ? Optional.of(new HubName(matcher.group(1), matcher.group(2), matcher.group(3)))
                : Optional.empty();
    }

    /// `ORG/NAME`.
    public String id() {
        return organization + "/" + name;
    }

    /// As the user writes it.
    @Override
    public String toString() {
        return quant == null ? id() : id() + ":" + quant;
    }
}
