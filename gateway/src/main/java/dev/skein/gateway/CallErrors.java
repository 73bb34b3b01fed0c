package dev.skein.gateway;

import dev.skein.gateway.openai.ApiException;
import dev.skein.gateway.traffic.CallFailure;
import java.math.BigDecimal;
import java.time.Duration;

/** What clients are told where no group could answer. */
final class CallErrors {
    private CallErrors() {}

    /** @param time that a request may take */
    static ApiException of(CallFailure.Kind kind, String message, Duration time) {
        return switch (kind) {
            case INVALID -> ApiException.bad(null, message);
            case BUSY ->
                ApiException.unavailable(
                        "The server has no room for another request: " + message + "; try again later");
            case QUEUED ->
                ApiException.unavailable("The request waited for its turn until its time was up, " + seconds(time)
                        + " s; the server is busy, try again later");
            case SLOW ->
                ApiException.timeout(
                        "The request took longer than a request may, " + seconds(time)
                                + " s, and was ended; ask for fewer tokens, or for the server's --request-timeout to be raised");
            case NO_GROUP -> ApiException.unavailable("No group is ready to serve the model; try again later");
            case LOST -> ApiException.internal("The group that served this request was lost; send it again");
        };
    }

    private static String seconds(Duration time) {
        return BigDecimal.valueOf(time.toMillis(), 3).stripTrailingZeros().toPlainString();
    }
}
