package dev.skein.cli;

import dev.skein.cli.settings.ServeSettings;
import dev.skein.cli.settings.Setting;
import dev.skein.cli.settings.Settings;
import dev.skein.cli.settings.SettingsReader;
import dev.skein.protocol.v1.DeploymentSpec;
import dev.skein.protocol.v1.RestartPolicy;
import dev.skein.protocol.v1.StartupPolicy;
import dev.skein.scheduler.rollout.Deployment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.dataformat.yaml.YAMLFactory;
import tools.jackson.dataformat.yaml.YAMLMapper;

/// Reads the file of `skein apply`: a list `models`, each a mapping of what [DeploymentFile#OWN] names and of settings
/// of `skein serve` that concern a model and its engine.
final class DeploymentFile {
    private static final Set<String> OWN = Set.of(
            "name",
            "startup-policy",
            "restart-policy",
            "max-unavailable",
            "max-surge",
            "partition",
            "progress-deadline-seconds",
            "drain-seconds");

    private static final Set<String> SETTINGS = ServeSettings.ALL.stream()
            .filter(setting ->
                    setting.section() == Setting.Section.MODEL || setting.section() == Setting.Section.ENGINE)
            .map(Setting::name)
            .collect(Collectors.toUnmodifiableSet());

    private static final long SECOND = 1000;

    private final Path file;

    private DeploymentFile(Path file) {
        this.file = file;
    }

    /// @throws CommandException with exit code 2 for what cannot be read, saying where
    static List<DeploymentSpec> read(Path file) {
        return new DeploymentFile(file).all();
    }

    private List<DeploymentSpec> all() {
        if (!Files.isRegularFile(file)) {
            throw CommandException.usage("there is no file " + file);
        }
        JsonNode models = parse().path("models");
        if (!models.isArray() || models.isEmpty()) {
            throw CommandException.usage(file + " holds no list 'models'; see docs/deployments.md");
        }
        List<DeploymentSpec> all = new ArrayList<>();
        models.forEach(model -> all.add(spec(model)));
        return all;
    }

    private JsonNode parse() {
        try {
            return YAMLMapper.builder(YAMLFactory.builder()
                            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                            .build())
                    .build()
                    .readTree(file.toFile());
        } catch (JacksonException e) {
            throw CommandException.usage(file + " is not YAML: "
                    + e.getOriginalMessage().lines().findFirst().orElse(""));
        }
    }

    private DeploymentSpec spec(JsonNode model) {
        if (!model.isObject()) {
            throw CommandException.usage(file + ": each of 'models' is a mapping, such as 'model: FILE'");
        }
        List<String> arguments = new ArrayList<>();
        model.properties().forEach(entry -> {
            String name = entry.getKey().replace('_', '-');
            if (SETTINGS.contains(name)) {
                texts(entry.getValue()).forEach(text -> arguments.add("--" + name + "=" + text));
            } else if (!OWN.contains(name)) {
                throw CommandException.usage(file + ": '" + entry.getKey() + "' is nothing that a model has");
            }
        });
        Settings settings = new SettingsReader(ServeSettings.ALL, ServeSettings.MODEL_FILE).read(arguments, Map.of());
        return spec(model, settings);
    }

    private static List<String> texts(JsonNode value) {
        List<String> texts = new ArrayList<>();
        if (value.isArray()) {
            value.forEach(each -> texts.add(each.asString()));
        } else {
            texts.add(value.isObject() ? value.toString() : value.asString());
        }
        return texts;
    }

    private DeploymentSpec spec(JsonNode model, Settings settings) {
        List<String> served = ServeCommand.names(settings);
        String name = text(model, "name");
        Deployment made = Deployments.of(settings, served, ServeCommand.worker(settings, ServeCommand.model(settings)));
        StartupPolicy startup = startup(or(text(model, "startup-policy"), "LeaderCreated"));
        if (startup == StartupPolicy.STARTUP_POLICY_LEADER_READY
                && made.template().size() > 1) {
            throw CommandException.usage(file + ": startup-policy LeaderReady waits for ever with "
                    + made.template().size() + " ranks: a leader is ready only with the others; say LeaderCreated");
        }
        return DeploymentSpec.newBuilder()
                .setName(name == null ? made.name() : name)
                .addAllServedNames(
                        settings.has(ServeSettings.SERVED_MODEL_NAME) || name == null ? served : List.of(name))
                .setModel(made.template().model())
                .setReplicas(made.replicas())
                .setScaleToZeroMillis(made.scaleToZeroMillis())
                .setSize(made.template().size())
                .setParameters(made.template().parameters())
                .setThreads(made.template().needs().threads())
                .setBytes(made.template().needs().bytes())
                .setTensor(made.template().tensor())
                .setGpus(made.template().needs().gpus())
                .setGpuBytes(made.template().needs().gpuBytes())
                .setMaxUnavailable(or(text(model, "max-unavailable"), ""))
                .setMaxSurge(or(text(model, "max-surge"), ""))
                .setPartition((int) number(model, "partition"))
                .setProgressDeadlineMillis(number(model, "progress-deadline-seconds") * SECOND)
                .setDrainMillis(number(model, "drain-seconds") * SECOND)
                .setRecoverMillis(made.template().policy().recoverMillis())
                .setStartupPolicy(startup)
                .setRestartPolicy(restart(or(text(model, "restart-policy"), "RecreateGroupOnPodRestart")))
                .build();
    }

    private StartupPolicy startup(String text) {
        return switch (text) {
            case "LeaderCreated" -> StartupPolicy.STARTUP_POLICY_LEADER_CREATED;
            case "LeaderReady" -> StartupPolicy.STARTUP_POLICY_LEADER_READY;
            default ->
                throw CommandException.usage(
                        file + ": startup-policy is '" + text + "'; it is LeaderCreated or LeaderReady");
        };
    }

    private RestartPolicy restart(String text) {
        return switch (text) {
            case "RecreateGroupOnPodRestart" -> RestartPolicy.RESTART_POLICY_RECREATE_GROUP_ON_POD_RESTART;
            case "RecreateGroupAfterStart" -> RestartPolicy.RESTART_POLICY_RECREATE_GROUP_AFTER_START;
            case "None" -> RestartPolicy.RESTART_POLICY_NONE;
            default ->
                throw CommandException.usage(file + ": restart-policy is '" + text
                        + "'; it is None, RecreateGroupOnPodRestart or RecreateGroupAfterStart");
        };
    }

    /// A whole number of at least 0; 0 where it is not said.
    private long number(JsonNode model, String name) {
        String text = or(text(model, name), "0");
        try {
            long number = Long.parseLong(text);
            if (number >= 0 && number <= Integer.MAX_VALUE) {
                return number;
            }
        } catch (NumberFormatException e) {
            // Told below.
        }
        throw CommandException.usage(file + ": " + name + " is '" + text + "'; it must be a whole number from 0 on");
    }

    private static String or(@Nullable String text, String otherwise) {
        return text == null ? otherwise : text;
    }

    private static @Nullable String text(JsonNode model, String name) {
        JsonNode value = model.has(name) ? model.get(name) : model.path(name.replace('-', '_'));
        return value.isMissingNode() || value.isNull() ? null : value.asString();
    }
}
