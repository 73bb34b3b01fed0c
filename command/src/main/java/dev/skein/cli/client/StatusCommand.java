package dev.skein.cli.client;

import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;

/// `skein status`: what a server runs and how busy it is.
@CommandLine.Command(
        name = "skein status",
        mixinStandardHelpOptions = true,
        separator = " ",
        header = "show a server's groups, ranks, queue and use of the KV cache")
public final class StatusCommand {
    private static final List<String> GROUP_HEAD =
            List.of("GROUP", "STATE", "REVISION", "RESTARTS", "RUNNING", "WAITING", "KV BLOCKS", "REASON");
    private static final List<String> DEPLOYMENT_HEAD =
            List.of("DEPLOYMENT", "GROUPS", "READY", "REVISION", "UPDATED", "STATE");
    private static final List<String> MACHINE_HEAD =
            List.of("MACHINE", "ROLE", "HEARD MS AGO", "CORES", "GPUS", "GROUPS");
    private static final List<String> RANK_HEAD = List.of("GROUP", "RANK", "STATE", "HOST", "PORT", "PID");

    @CommandLine.Option(
            names = "--url",
            paramLabel = "URL",
            defaultValue = "http://127.0.0.1:8000",
            description = "the server; default ${DEFAULT-VALUE}")
    private String url = "";

    @CommandLine.Option(
            names = "--api-key",
            paramLabel = "KEY",
            description = "the server's key; default $SKEIN_API_KEY")
    private @Nullable String key;

    @CommandLine.Option(names = "--json", description = "all of it as JSON, as the server says it")
    private boolean json;

    private StatusCommand() {}

    public static int run(List<String> arguments) {
        StatusCommand command = new StatusCommand();
        if (!Arguments.helped(command, arguments)) {
            JsonObject status = new ServerApi(command.url, Arguments.key(command.key)).get("/skein/status");
            System.out.print(command.json ? status.encodePrettily() + "\n" : text(status));
        }
        return 0;
    }

    static String text(JsonObject status) {
        JsonObject model = status.getJsonObject("model");
        List<List<String>> groups = new ArrayList<>(List.of(GROUP_HEAD));
        List<List<String>> ranks = new ArrayList<>(List.of(RANK_HEAD));
        for (JsonObject group : objects(status, "groups")) {
            groups.add(group(group));
            objects(group, "ranks").forEach(rank -> ranks.add(rank(group, rank)));
        }
        List<List<String>> deployments = new ArrayList<>(List.of(DEPLOYMENT_HEAD));
        objects(status, "deployments").forEach(deployment -> deployments.add(deployment(deployment)));
        return "skein " + status.getString("version")
                + (model == null ? "" : "  " + named(model) + "  " + model.getString("backend"))
                + "  requests " + status.getValue("requests") + "\n\n"
                + machines(objects(status, "machines"))
                + (deployments.size() == 1 ? "" : Table.text(deployments) + "\n") + Table.text(groups) + "\n"
                + Table.text(ranks);
    }

    /// What requests call it, and its own name for itself where that is another.
    private static String named(JsonObject model) {
        String own = model.getString("name");
        List<Object> names =
                model.getJsonArray("names", new JsonArray().add(own)).stream().toList();
        return names.stream().map(String::valueOf).collect(Collectors.joining(", "))
                + (names.contains(own) ? "" : " (" + own + ")");
    }

    /// Nothing where there is one machine alone.
    private static String machines(List<JsonObject> machines) {
        List<List<String>> rows = new ArrayList<>(List.of(MACHINE_HEAD));
        machines.forEach(machine -> rows.add(machine(machine)));
        return machines.isEmpty() ? "" : Table.text(rows) + "\n";
    }

    private static List<String> machine(JsonObject machine) {
        List<JsonObject> gpus = objects(machine, "gpus");
        return List.of(
                cell(machine, "name"),
                machine.getBoolean("decides", false) ? "decides" : machine.getBoolean("votes") ? "votes" : "follows",
                cell(machine, "silent_millis"),
                cell(machine, "cores_owned") + "/" + cell(machine, "cores"),
                gpus.stream().filter(gpu -> !gpu.getString("group").isEmpty()).count() + "/" + gpus.size(),
                machine.getJsonArray("groups").stream().map(String::valueOf).collect(Collectors.joining(",")));
    }

    private static List<String> deployment(JsonObject deployment) {
        String state = Stream.of("asleep", "complete", "paused", "stalled")
                .filter(each -> deployment.getBoolean(each, false))
                .findFirst()
                .orElse("under way");
        return List.of(
                cell(deployment, "name"),
                cell(deployment, "replicas"),
                cell(deployment, "ready"),
                cell(deployment, "revision"),
                cell(deployment, "updated"),
                state);
    }

    private static List<String> group(JsonObject group) {
        JsonObject counts = group.getJsonObject("statistics", new JsonObject());
        return List.of(
                cell(group, "name"),
                cell(group, "state"),
                cell(group, "revision"),
                cell(group, "restarts"),
                cell(counts, "running"),
                cell(counts, "waiting"),
                cell(counts, "kv_blocks_used") + "/" + cell(counts, "kv_blocks_total"),
                cell(group, "reason"));
    }

    private static List<String> rank(JsonObject group, JsonObject rank) {
        return List.of(
                cell(group, "name"),
                cell(rank, "rank"),
                cell(rank, "state"),
                cell(rank, "host"),
                cell(rank, "port"),
                cell(rank, "pid"));
    }

    private static List<JsonObject> objects(JsonObject parent, String name) {
        JsonArray all = parent.getJsonArray(name, new JsonArray());
        return IntStream.range(0, all.size()).mapToObj(all::getJsonObject).toList();
    }

    private static String cell(JsonObject object, String name) {
        Object value = object.getValue(name);
        return value == null ? "-" : value.toString();
    }
}
