package dev.skein.gateway;

import dev.skein.gateway.openai.RequestFuzz;
import dev.skein.gateway.template.TemplateFuzz;
import dev.skein.gateway.text.TokenizerJsonFuzz;
import dev.skein.gateway.text.VocabularyFuzz;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * What Jazzer is given to begin with and what it ever found lie in src/test/resources/fuzz, in a folder for each class, and must go on to be taken or
 * refused. CONTRIBUTING.md says how to look for more.
 */
class FuzzedInputsTest {
    private static final Map<Class<?>, Consumer<byte[]>> TARGETS = Map.of(
            RequestFuzz.class, RequestFuzz::fuzzerTestOneInput,
            TemplateFuzz.class, TemplateFuzz::fuzzerTestOneInput,
            TokenizerJsonFuzz.class, TokenizerJsonFuzz::fuzzerTestOneInput,
            VocabularyFuzz.class, VocabularyFuzz::fuzzerTestOneInput);

    @TestFactory
    Stream<DynamicTest> areTakenOrRefused() {
        return TARGETS.entrySet().stream()
                .flatMap(target -> inputs(target.getKey()).stream()
                        .map(input -> DynamicTest.dynamicTest(
                                target.getKey().getSimpleName() + "/" + input.getFileName(),
                                () -> target.getValue().accept(Files.readAllBytes(input)))));
    }

    private static List<Path> inputs(Class<?> target) {
        try (Stream<Path> files = Files.list(Path.of("src", "test", "resources", "fuzz", target.getName()))) {
            return files.sorted().toList();
        } catch (IOException missing) {
            throw new UncheckedIOException(missing);
        }
    }
}
