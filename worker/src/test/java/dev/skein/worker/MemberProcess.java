package dev.skein.worker;

import dev.skein.protocol.tls.Encryption;
import dev.skein.protocol.tls.TlsFiles;
import io.vertx.core.net.SocketAddress;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/** A rank that follows a leader of this machine, in a process of its own that takes itself to be on another host. */
final class MemberProcess implements AutoCloseable {
    private final Process process;

    /** @param tls what it speaks with; null for nothing */
    MemberProcess(int port, String token, int rank, String host, @Nullable TlsFiles tls) throws IOException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "--enable-native-access=ALL-UNNAMED"));
        command.addAll(tls == null ? List.of() : tls.properties());
        command.addAll(List.of(
                "-cp",
                System.getProperty("java.class.path"),
                MemberProcess.class.getName(),
                Integer.toString(port),
                token,
                Integer.toString(rank),
                host));
        process = new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
    }

    long pid() {
        return process.pid();
    }

    /** As {@code kill -9} does. */
    void kill() throws InterruptedException {
        process.destroyForcibly().waitFor();
    }

    /** It does nothing more until {@link #goOn}, and keeps its connections. */
    void stop() throws Exception {
        signal("STOP");
    }

    void goOn() throws Exception {
        signal("CONT");
    }

    private void signal(String name) throws Exception {
        new ProcessBuilder("kill", "-" + name, Long.toString(pid())).start().waitFor();
    }

    /** Waits for its end; 0 if its leader said that there was no more to do. */
    int end() throws InterruptedException {
        return process.waitFor();
    }

    @Override
    public void close() {
        process.destroyForcibly();
    }

    // In the process

    public static void main(String[] arguments) {
        GroupMember member = GroupMember.start(
                SocketAddress.inetSocketAddress(Integer.parseInt(arguments[0]), "127.0.0.1"),
                arguments[1],
                OptionalInt.of(Integer.parseInt(arguments[2])),
                new Host(arguments[3], ""),
                TlsFiles.ofProperties().map(Encryption::of).orElse(Encryption.NONE),
                _ -> {});
        CompletableFuture.anyOf(member.ended(), member.failure()).join();
        int code = member.failure().isDone() ? 1 : 0;
        member.close();
        System.exit(code);
    }
}
