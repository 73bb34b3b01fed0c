package dev.skein.cli.client;

import dev.skein.cli.CommandException;
import dev.skein.cli.settings.NearestName;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;

/// Reads a command's arguments into its fields.
public final class Arguments {
    private Arguments() {}

    /// The key that was given, else the first of the environment's, else none.
    public static @Nullable String key(@Nullable String given) {
        String variable = System.getenv("SKEIN_API_KEY");
        return given != null || variable == null || variable.isEmpty() ? given : variable.split(",")[0];
    }

    /// True if help was asked for and printed.
    ///
    /// @throws CommandException with exit code 2 for what the command does not take
    public static boolean helped(Object command, List<String> arguments) {
        CommandLine line = new CommandLine(command);
        try {
            if (line.parseArgs(arguments.toArray(String[]::new)).isUsageHelpRequested()) {
                line.usage(System.out);
                return true;
            }
            return false;
        } catch (CommandLine.UnmatchedArgumentException e) {
            List<String> known = line.getCommandSpec().options().stream()
                    .map(CommandLine.Model.OptionSpec::longestName)
                    .toList();
            String given = e.getUnmatched().getFirst();
            throw CommandException.usage("'" + given + "' is not understood"
                    + NearestName.of(given, known)
                            .map(nearest -> "; the nearest is " + nearest)
                            .orElse("; see --help"));
        } catch (CommandLine.ParameterException e) {
            throw CommandException.usage(e.getMessage());
        }
    }
}
