package dev.skein.cli.model.hub;

import dev.skein.cli.CommandException;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpHeaders;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// What a hub's statuses mean, in words that say what to do.
///
/// Which error it is stands in the header `X-Error-Code`, as huggingface_hub's `hf_raise_for_status` reads it: a
/// missing
/// model and a private one are both 401 to who brings no token.
///
/// @param revision as the user named it
/// @param withToken whether a token was sent
record Refusals(HubName model, String revision, URI endpoint, boolean withToken) {
    private static final int UNAUTHORIZED = 401;
    private static final int FORBIDDEN = 403;
    private static final int NOT_FOUND = 404;
    private static final int REQUEST_TIMEOUT = 408;
    private static final int TOO_MANY = 429;
    private static final int SERVER_ERROR = 500;

    /// Returns for a status below 400.
    ///
    /// @param file what was asked for; null for the listing
    /// @param ours whether the hub itself answered, not somebody it sent us to
    /// @throws Retries.Later if trying again may help
    /// @throws CommandException if it does not
    void check(int status, HttpHeaders headers, @Nullable String file, boolean ours) throws IOException {
        if (status == TOO_MANY || status == REQUEST_TIMEOUT || status >= SERVER_ERROR) {
            throw new Retries.Later(
                    "the hub answers " + status + (status == TOO_MANY ? " (too many requests)" : ""),
                    after(headers).orElse(null));
        }
        if (status >= 400) {
            String what = file == null ? model.id() : model.id() + "/" + Words.printable(file);
            throw CommandException.failed(ours ? said(status, headers, what, file) : elsewhere(status, what));
        }
    }

    /// A signed address may have run out; the next pull gets a new one.
    private static String elsewhere(int status, String what) {
        return what + " cannot be fetched: the storage that the hub names answers " + status;
    }

    private String said(int status, HttpHeaders headers, String what, @Nullable String file) {
        String message = Words.printable(headers.firstValue("X-Error-Message").orElse(""));
        return switch (headers.firstValue("X-Error-Code").orElse("")) {
            case "GatedRepo" -> gated();
            case "RevisionNotFound" -> noRevision();
            case "EntryNotFound" -> what + " is not there at this revision (404)";
            case "RepoNotFound" -> noModel(status);
            default ->
                switch (status) {
                    case UNAUTHORIZED -> message.contains("Invalid credentials") ? unknownToken() : noModel(status);
                    case FORBIDDEN ->
                        "the hub refuses " + what + " (403" + (message.isEmpty() ? "" : ": " + message) + "); "
                                + (withToken ? "has the token of HF_TOKEN the right to read it?" : "set HF_TOKEN");
                    case NOT_FOUND -> file == null ? noModel(status) : what + " is not there (404)";
                    default ->
                        "the hub answers " + status + " to the request for " + what
                                + (message.isEmpty() ? "" : ": " + message);
                };
        };
    }

    private String gated() {
        return model.id() + " is gated: "
                + (withToken
                        ? "whose token HF_TOKEN is was not given access; ask for it on the model's page"
                        : "accept its terms on the model's page, then set HF_TOKEN");
    }

    private String noRevision() {
        return model.id() + " has no revision '" + revision + "' (404); a branch, a tag or a commit may be named";
    }

    private String noModel(int status) {
        String other = revision.equals(HubCache.MAIN) ? "" : " with a revision '" + revision + "'";
        return "there is no model " + model.id() + other + " at " + endpoint + " (" + status + "), or it is private: "
                + (withToken ? "then the token of HF_TOKEN may not read it" : "then set HF_TOKEN");
    }

    private String unknownToken() {
        return "the hub at " + endpoint + " does not know the token of HF_TOKEN (401); unset it or set another";
    }

    /// `Retry-After`, which is seconds or a date.
    static Optional<Duration> after(HttpHeaders headers) {
        return headers.firstValue("Retry-After").map(String::strip).flatMap(text -> {
            try {
                Duration wait = text.matches("\\d{1,9}")
                        ? Duration.ofSeconds(Long.parseLong(text))
                        : Duration.between(
                                Instant.now(), ZonedDateTime.parse(text, DateTimeFormatter.RFC_1123_DATE_TIME));
                return Optional.of(wait.isNegative() ? Duration.ZERO : wait);
            } catch (DateTimeException e) {
                return Optional.empty();
            }
        });
    }
}
