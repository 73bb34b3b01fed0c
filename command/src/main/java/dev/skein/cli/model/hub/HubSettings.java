package dev.skein.cli.model.hub;

import dev.skein.cli.CommandException;
import java.net.URI;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Which hub, and as whom: the environment variables that Hugging Face's own tools read.
///
/// @param endpoint without a slash at its end; null where `HF_ENDPOINT` is not set
/// @param token null for none
/// @param offline never to ask a hub
public record HubSettings(@Nullable URI endpoint, @Nullable String token, boolean offline) {
    private static final Set<String> YES = Set.of("1", "on", "yes", "true");

    /// Reads `HF_ENDPOINT`, `HF_TOKEN` (or the older `HUGGING_FACE_HUB_TOKEN`) and `HF_HUB_OFFLINE`.
    ///
    /// @throws CommandException for an address or a token that cannot be one
    public static HubSettings of(Map<String, String> environment) {
        return new HubSettings(
                endpoint(environment.getOrDefault("HF_ENDPOINT", "").strip()),
                token(environment, "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"),
                YES.contains(
                        environment.getOrDefault("HF_HUB_OFFLINE", "").strip().toLowerCase(Locale.ROOT)));
    }

    /// Whether a hub may be asked and it is known which.
    boolean reachable() {
        return !offline && endpoint != null;
    }

    /// Why none can be asked, and what to do.
    String unreachable() {
        return offline ? "HF_HUB_OFFLINE forbids to fetch it" : "to fetch it, set HF_ENDPOINT to the hub's address";
    }

    /// The hub's address.
    ///
    /// @throws CommandException if the hub may not be asked or nobody said which it is
    URI address() {
        if (offline || endpoint == null) {
            throw CommandException.failed("no hub can be asked: "
                    + (offline ? "HF_HUB_OFFLINE is set" : "set HF_ENDPOINT to the hub's address"));
        }
        return endpoint;
    }

    private static @Nullable URI endpoint(String text) {
        if (text.isEmpty()) {
            return null;
        }
        URI uri;
        try {
            uri = URI.create(text.replaceFirst("/+$", ""));
        } catch (IllegalArgumentException e) {
            throw noAddress(text);
        }
        boolean web = "http".equalsIgnoreCase(uri.getScheme()) || "https".equalsIgnoreCase(uri.getScheme());
        if (!web || uri.getHost() == null || uri.getRawQuery() != null || uri.getRawUserInfo() != null) {
            throw noAddress(text);
        }
        return uri;
    }

    private static CommandException noAddress(String text) {
        // A password in an address must not reach a log.
        return CommandException.usage("HF_ENDPOINT is '" + text.replaceFirst("//.*@", "//...@")
                + "'; it must be an address such as https://hub.example.com, without a name and a password");
    }

    private static @Nullable String token(Map<String, String> environment, String... names) {
        for (String name : names) {
            String token = environment.getOrDefault(name, "").strip();
            if (!token.chars().allMatch(c -> c > ' ' && c < 127)) {
                throw CommandException.usage(name + " holds characters that no token has");
            }
            if (!token.isEmpty()) {
                return token;
            }
        }
        return null;
    }

    /// Without the token.
    @Override
    public String toString() {
        return "HubSettings[" + endpoint + (token == null ? "" : ", with a token") + (offline ? ", offline" : "") + "]";
    }
}
