package dev.skein.cli.model.hub;

import java.io.IOException;
import java.net.http.HttpHeaders;

/// What came back after all redirects: a status below 400, headers, and a body that is this object's to close.
record Answer(int status, HttpHeaders headers, Body body) implements AutoCloseable {

    @Override
    public void close() throws IOException {
        body.close();
    }
}
