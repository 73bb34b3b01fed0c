package dev.skein.loadtest;

import java.net.URI;
import org.jspecify.annotations.Nullable;

/// Where a server answers.
///
/// @param url without the `/v1` that OpenAI's clients want, and without a slash at its end
/// @param key the bearer token; null for none
/// @param model that requests name; null for the first that the server serves
public record Address(
        String url, @Nullable String key, @Nullable String model) {

    /// @param url may end in `/v1`
    /// @throws IllegalArgumentException if it is no address of HTTP
    public Address {
        String given = url;
        url = url.replaceFirst("/+$", "").replaceFirst("/v1$", "");
        if (!valid(url)) {
            throw new IllegalArgumentException(given + " is no address; give one such as http://127.0.0.1:8000");
        }
    }

    private static boolean valid(String url) {
        try {
            URI uri = URI.create(url);
            return uri.getHost() != null && ("http".equals(uri.getScheme()) || "https".equals(uri.getScheme()));
        } catch (IllegalArgumentException e) {
            return false;
        }
    }
}
