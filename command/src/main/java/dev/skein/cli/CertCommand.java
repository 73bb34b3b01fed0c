package dev.skein.cli;

import dev.skein.cli.client.Arguments;
import dev.skein.protocol.tls.Authority;
import dev.skein.protocol.tls.TlsFiles;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import picocli.CommandLine;

/// `skein cert`: an authority for a cluster, and a certificate for each of its machines.
@CommandLine.Command(
        name = "skein cert",
        mixinStandardHelpOptions = true,
        separator = " ",
        header = "make certificates for the machines of a cluster; docs/machines.md tells what for",
        footer = "Run again with the same folder to add machines: the authority stays, and nothing is overwritten.")
final class CertCommand {
    private static final String HINT = """
            Copy each folder to its machine, and no other file: who has %s can join the cluster.
            There: skein scheduler --tls-ca %s/ca.pem --tls-cert %s/cert.pem --tls-key %s/key.pem ...""";

    @CommandLine.Option(
            names = "--out",
            paramLabel = "FOLDER",
            defaultValue = "certs",
            description = "where the authority is or will be; each machine gets a folder in it; default"
                    + " ${DEFAULT-VALUE}")
    private Path out = Path.of("");

    @CommandLine.Option(
            names = "--days",
            paramLabel = "N",
            defaultValue = "365",
            description = "how long the machines' certificates last; default ${DEFAULT-VALUE}; a new authority lasts "
                    + Authority.DAYS)
    private int days;

    @CommandLine.Parameters(
            arity = "1..*",
            paramLabel = "NAME[,NAME...]",
            description = "a machine: the addresses and host names by which others dial it; the first names its folder."
                    + " localhost and 127.0.0.1 are always among them")
    private List<String> machines = List.of();

    private CertCommand() {}

    static int run(List<String> arguments) {
        CertCommand command = new CertCommand();
        return Arguments.helped(command, arguments) ? 0 : command.make();
    }

    private int make() {
        List<List<String>> all = machines.stream()
                .map(machine -> List.of(machine.split(",", -1)))
                .toList();
        requireDifferent(all);
        try {
            // None of them is made where one cannot be.
            all.forEach(names -> Authority.requireNew(out, names));
            Authority authority = authority();
            all.forEach(names -> sign(authority, names));
            String first = all.getFirst().getFirst();
            System.out.println(HINT.formatted(authority.key(), first, first, first));
            return 0;
        } catch (IllegalArgumentException | UncheckedIOException e) {
            throw CommandException.failed(
                    e instanceof UncheckedIOException ? e.getMessage() + ": " + e.getCause() : e.getMessage());
        }
    }

    private static void requireDifferent(List<List<String>> all) {
        Set<String> seen = new HashSet<>();
        all.stream()
                .map(List::getFirst)
                .filter(name -> !seen.add(name))
                .findFirst()
                .ifPresent(name -> {
                    throw CommandException.usage(name + " is named twice; each machine has a name of its own");
                });
    }

    private Authority authority() {
        if (Authority.isIn(out)) {
            return Authority.open(out);
        }
        Authority made = Authority.make(out);
        System.out.println("made the authority " + made.certificate() + ", until " + made.end());
        return made;
    }

    private void sign(Authority authority, List<String> names) {
        TlsFiles made = authority.sign(names, days);
        System.out.println(
                "made " + made.certificate() + " for " + String.join(", ", names) + ", for " + days + " days");
    }
}
