package dev.skein.cli;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Properties;

/// What version this is, as the build wrote it.
final class Version {
    static final String TEXT = read();

    private Version() {}

    private static String read() {
        try (InputStream input = Version.class.getResourceAsStream("/skein.properties")) {
            Properties properties = new Properties();
            properties.load(input);
            return properties.getProperty("version");
        } catch (IOException e) {
            throw new UncheckedIOException("the jar of skein is damaged", e);
        }
    }
}
