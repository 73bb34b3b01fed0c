package dev.skein.cli.client;

import dev.skein.cli.CommandException;
import dev.skein.cli.model.SkeinHome;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.nio.charset.Charset;
import java.util.List;
import java.util.Locale;
import org.jline.reader.EndOfFileException;
import org.jline.reader.LineReader;
import org.jline.reader.LineReaderBuilder;
import org.jline.reader.UserInterruptException;
import org.jline.terminal.Terminal;
import org.jline.terminal.TerminalBuilder;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;

/// `skein chat`: talks to a server, streaming, with line editing and history. Reads questions from a pipe too.
@CommandLine.Command(
        name = "skein chat",
        mixinStandardHelpOptions = true,
        separator = " ",
        header = "talk to a model",
        description = {
            "",
            "Without MODEL it talks to the server at --url, or starts one with the default model where none answers."
                    + " With MODEL it starts one. Ctrl-C ends an answer, Ctrl-D or /exit leaves, /reset forgets what was"
                    + " said. From a pipe each line is a question.",
            ""
        })
public final class ChatCommand {
    private static final String DEFAULT_URL = "http://127.0.0.1:8000";

    @CommandLine.Parameters(arity = "0..1", paramLabel = "MODEL", description = "a GGUF file to start a server with")
    private @Nullable String model;

    @CommandLine.Option(names = "--url", paramLabel = "URL", description = "a server; default " + DEFAULT_URL)
    private @Nullable String url;

    @CommandLine.Option(names = "--api-key", paramLabel = "KEY", description = "its key; default $SKEIN_API_KEY")
    private @Nullable String key;

    @CommandLine.Option(names = "--system", paramLabel = "TEXT", description = "begins every conversation")
    private @Nullable String system;

    @CommandLine.Option(names = "--temperature", paramLabel = "T", description = "0 always takes the likeliest token")
    private @Nullable Double temperature;

    @CommandLine.Option(names = "--max-tokens", paramLabel = "N", description = "the longest answer")
    private @Nullable Integer maxTokens;

    private final Starter starter;

    /// Starts a server on a free port of this machine.
    @FunctionalInterface
    public interface Starter {
        /// @param model a GGUF file; null for the default model
        Started start(@Nullable String model);
    }

    /// A server of our own; closing ends it.
    public interface Started extends AutoCloseable {
        String url();

        @Override
        void close();
    }

    private ChatCommand(Starter starter) {
        this.starter = starter;
    }

    public static int run(List<String> arguments, Starter starter) throws IOException {
        ChatCommand command = new ChatCommand(starter);
        if (Arguments.helped(command, arguments)) {
            return 0;
        }
        return command.run();
    }

    private int run() throws IOException {
        if (model != null && url != null) {
            throw CommandException.usage("name a MODEL to start a server or a --url to use one, not both");
        }
        String wanted = url == null ? DEFAULT_URL : url;
        if (model == null && (url != null || new ServerApi(wanted, Arguments.key(key)).answers())) {
            return talk(new ServerApi(wanted, Arguments.key(key)));
        }
        try (Started started = starter.start(model)) {
            return talk(new ServerApi(started.url(), Arguments.key(key)));
        }
    }

    private int talk(ServerApi server) throws IOException {
        String name = server.model();
        Conversation conversation =
                new Conversation(server, name, new Conversation.Style(system, temperature, maxTokens));
        if (System.console() == null || !System.console().isTerminal()) {
            return fromPipe(conversation);
        }
        try (Terminal terminal = TerminalBuilder.builder().system(true).build()) {
            terminal.writer().println(name + " at " + server.url() + ". /help tells what else can be typed.");
            return atTerminal(conversation, terminal);
        }
    }

    private static int fromPipe(Conversation conversation) throws IOException {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, Charset.defaultCharset()));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            if (!line.isBlank()) {
                conversation.say(line, piece -> {
                    System.out.print(piece);
                    System.out.flush();
                });
                System.out.println();
            }
        }
        return 0;
    }

    private static int atTerminal(Conversation conversation, Terminal terminal) {
        LineReader reader = LineReaderBuilder.builder()
                .terminal(terminal)
                .variable(
                        LineReader.HISTORY_FILE,
                        SkeinHome.of(System.getenv()).folder().resolve("chat-history"))
                .option(LineReader.Option.DISABLE_EVENT_EXPANSION, true)
                .build();
        terminal.handle(Terminal.Signal.INT, signal -> conversation.cancel());
        while (true) {
            try {
                String line = reader.readLine("> ").strip();
                if (line.startsWith("/")) {
                    if (!obey(line, conversation, terminal.writer())) {
                        return 0;
                    }
                } else if (!line.isEmpty()) {
                    say(line, conversation, terminal);
                }
            } catch (UserInterruptException e) {
                // The line is dropped, as in a shell.
            } catch (EndOfFileException e) {
                return 0;
            }
        }
    }

    private static void say(String line, Conversation conversation, Terminal terminal) {
        try {
            conversation.say(line, piece -> {
                terminal.writer().print(piece);
                terminal.flush();
            });
            terminal.writer().println();
        } catch (CommandException e) {
            terminal.writer().println("\nskein: " + e.getMessage());
        }
        terminal.flush();
    }

    /// False to leave.
    private static boolean obey(String line, Conversation conversation, PrintWriter out) {
        switch (line.toLowerCase(Locale.ROOT)) {
            case "/exit", "/quit", "/bye" -> {
                return false;
            }
            case "/reset" -> {
                conversation.reset();
                out.println("All is forgotten.");
            }
            case "/help" -> out.println("/reset forgets what was said, /exit or Ctrl-D leaves, Ctrl-C ends an answer.");
            default -> out.println("There is no " + line + "; /help tells what there is.");
        }
        return true;
    }
}
