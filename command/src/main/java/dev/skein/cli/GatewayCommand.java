package dev.skein.cli;

import dev.skein.cli.control.Target;
import dev.skein.cli.settings.ServeSettings;
import dev.skein.cli.settings.Settings;
import dev.skein.cli.settings.TlsSettings;
import dev.skein.gateway.Gateway;
import dev.skein.gateway.GatewayException;
import dev.skein.gateway.GatewayOptions;
import dev.skein.protocol.tls.Encryption;
import io.vertx.core.Vertx;
import io.vertx.core.VertxOptions;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/// `skein gateway`: OpenAI's HTTP interface for the groups of a cluster, until a signal comes.
final class GatewayCommand {
    private static final int SIGNALLED = 128;
    private static final String HELP = """
            Usage: skein gateway --scheduler HOST:PORT --token-file FILE [flags of skein serve]
            serve the groups of a cluster over HTTP, as OpenAI's API

              --scheduler HOST:PORT   any member of the cluster; given again, another for when this one is lost
              --token-file FILE       holds the cluster's token
              --tls-ca FILE, --tls-cert FILE, --tls-key FILE
                                      PEM files of the cluster's authority, of this machine's certificate and of its
                                      key, as skein cert makes them; default: nothing is encrypted
              --host, --port, --api-key and what else concerns HTTP: as skein serve --help tells
            """;

    private final Settings settings;

    private GatewayCommand(Settings settings) {
        this.settings = settings;
    }

    static int run(List<String> arguments) throws Exception {
        if (Skein.wantsHelp(arguments)) {
            System.out.print(HELP);
            return 0;
        }
        List<String> rest = new ArrayList<>(arguments);
        List<GatewayOptions.SchedulerAddress.Member> members = new ArrayList<>();
        do {
            members.add(member(Target.checked("--scheduler", taken(rest, "--scheduler"))));
        } while (rest.contains("--scheduler"));
        String token = Target.token(Path.of(taken(rest, "--token-file")));
        Settings settings = ServeCommand.settings(rest, TlsSettings.ALL);
        Encryption encryption = TlsSettings.read(TlsSettings.of(settings).orElse(null));
        return new GatewayCommand(settings).serve(new GatewayOptions.SchedulerAddress(members, token, encryption));
    }

    private static GatewayOptions.SchedulerAddress.Member member(String address) {
        int colon = address.lastIndexOf(':');
        return new GatewayOptions.SchedulerAddress.Member(
                address.substring(0, colon), Integer.parseInt(address.substring(colon + 1)));
    }

    /// The word after the flag; both are taken out.
    private static String taken(List<String> words, String flag) {
        int at = words.indexOf(flag);
        if (at < 0 || at + 1 == words.size()) {
            throw CommandException.usage(flag + " is missing; see skein gateway --help");
        }
        words.remove(at);
        return words.remove(at);
    }

    private int serve(GatewayOptions.SchedulerAddress scheduler) throws Exception {
        Logging.level(settings.find(ServeSettings.UVICORN_LOG_LEVEL).orElse(settings.get(ServeSettings.LOG_LEVEL)));
        TlsSettings.warnIfPlain(
                scheduler.encryption(),
                scheduler.members().stream()
                        .map(GatewayOptions.SchedulerAddress.Member::toString)
                        .toList());
        Vertx vertx = Vertx.vertx(new VertxOptions().setWarningExceptionTime(Long.MAX_VALUE));
        Gateway gateway;
        try {
            gateway = Gateway.create(vertx, ServeCommand.gateway(settings, ServeCommand.api(settings), scheduler));
        } catch (GatewayException e) {
            throw CommandException.failed(e.getMessage());
        }
        CompletableFuture<Integer> end = new CompletableFuture<>();
        Signals.handle(
                signal -> {
                    gateway.close();
                    end.complete(0);
                },
                signal -> Runtime.getRuntime().halt(SIGNALLED + signal));
        gateway.ready()
                .compose(ready -> gateway.listen())
                .onSuccess(port -> System.out.println("skein: ready at http://" + settings.get(ServeSettings.HOST) + ":"
                        + port + " with the groups of " + scheduler))
                .onFailure(broken -> {
                    System.err.println("skein: " + broken.getMessage());
                    end.complete(CommandException.FAILED);
                });
        return end.get();
    }
}
