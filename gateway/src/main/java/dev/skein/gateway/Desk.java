package dev.skein.gateway;

import static java.util.Objects.requireNonNull;

import dev.skein.gateway.json.JsonWriter;
import dev.skein.gateway.metrics.EngineLog;
import dev.skein.gateway.metrics.ModelMetrics;
import dev.skein.gateway.metrics.Scrape;
import dev.skein.gateway.openai.ApiException;
import dev.skein.gateway.traffic.Leader;
import dev.skein.gateway.traffic.WorkerCalls;
import dev.skein.protocol.v1.Deployment;
import dev.skein.protocol.v1.Gpu;
import dev.skein.protocol.v1.Group;
import dev.skein.protocol.v1.Machine;
import dev.skein.protocol.v1.Machines;
import dev.skein.protocol.v1.ModelCard;
import dev.skein.protocol.v1.Rank;
import dev.skein.protocol.v1.StatisticsResponse;
import io.prometheus.metrics.expositionformats.PrometheusTextFormatWriter;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import io.vertx.core.Future;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Answers that need no group's time: what is served, how it fares. One event loop's own. */
final class Desk {
    private static final byte[] NOTHING = {};
    private static final String EXPOSITION = "text/plain; version=0.0.4; charset=utf-8";
    private static final long STATISTICS_MILLIS = 500;
    private static final long MACHINES_MILLIS = 500;
    private static final String PAGE_POLICY =
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline';"
                    + " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    private static final byte[] PAGE = read("status.html");

    private final Shared shared;
    private final WorkerCalls calls;
    private final PrometheusTextFormatWriter exposition = PrometheusTextFormatWriter.create();
    private final EngineLog engineLog = new EngineLog();
    // What each leader said last, for one that does not answer in time.
    private final Map<Leader, StatisticsResponse> told = new HashMap<>();

    Desk(Shared shared, WorkerCalls calls) {
        this.shared = shared;
        this.calls = calls;
    }

    /** Tells {@code line} what each engine did since this was called last. */
    void tell(Consumer<String> line) {
        statistics().onSuccess(all -> {
            List<Leader> leaders = shared.fleet().picture().listening();
            for (int i = 0; i < leaders.size(); i++) {
                StatisticsResponse said = all.get(leaders.get(i));
                if (said != null) {
                    engineLog.line(i, said, System.nanoTime()).ifPresent(line);
                }
            }
        });
    }

    void get(Front front, Exchange exchange, Route route) {
        switch (route) {
            case HEALTH, PING -> exchange.text(shared.ready() ? 200 : 503, null, NOTHING);
            case VERSION ->
                exchange.json(
                        200,
                        object(front)
                                .field("version", shared.options().version())
                                .endObject());
            case LOAD ->
                exchange.json(
                        200,
                        object(front)
                                .field("server_load", shared.requests().get())
                                .endObject());
            case MODELS -> exchange.json(200, models(front.writer()));
            case MODEL -> model(front, exchange);
            case METRICS -> statistics().onComplete(all -> exchange.guard(() -> metrics(exchange, all.result())));
            case STATUS ->
                Future.all(statistics(), shared.fleet().machines(MACHINES_MILLIS))
                        .onComplete(all -> exchange.guard(() -> exchange.json(
                                200,
                                status(
                                        front.writer(),
                                        all.result().resultAt(0),
                                        all.result().resultAt(1)))));
            case PAGE -> page(exchange);
            default -> throw new IllegalStateException(route + " has a body");
        }
    }

    private static void page(Exchange exchange) {
        exchange.response().putHeader("content-security-policy", PAGE_POLICY);
        exchange.text(200, "text/html; charset=utf-8", PAGE);
    }

    private static byte[] read(String resource) {
        try (InputStream page = requireNonNull(Desk.class.getResourceAsStream(resource), resource)) {
            return page.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(resource + " cannot be read", e);
        }
    }

    private static JsonWriter object(Front front) {
        return front.writer().beginObject();
    }

    private JsonWriter models(JsonWriter out) {
        out.beginObject().field("object", "list").name("data").beginArray();
        for (Catalog.Model model : shared.catalog().models()) {
            model.names().forEach(name -> card(out, model.newest().model(), name));
        }
        return out.endArray().endObject();
    }

    private void model(Front front, Exchange exchange) {
        String name = Route.modelIn(exchange.path());
        Catalog.Model found = shared.catalog().models().stream()
                .filter(model -> model.names().contains(name))
                .findFirst()
                .orElseThrow(
                        () -> ApiException.unknownModel(name, shared.catalog().names()));
        JsonWriter out = front.writer();
        card(out, found.newest().model(), name);
        exchange.json(200, out);
    }

    private static void card(JsonWriter out, ServedModel model, String name) {
        long created = model.created().getEpochSecond();
        out.beginObject().field("id", name).field("object", "model").field("created", created);
        out.field("owned_by", "skein").field("root", model.card().getRoot()).nulField("parent");
        out.field("max_model_len", model.card().getMaxModelLen());
        out.name("permission").beginArray().beginObject();
        out.field("id", "modelperm-" + model.fingerprint()).field("object", "model_permission");
        out.field("created", created).field("allow_create_engine", false).field("allow_sampling", true);
        out.field("allow_logprobs", true).field("allow_search_indices", false).field("allow_view", true);
        out.field("allow_fine_tuning", false).field("organization", "*").nulField("group");
        out.field("is_blocking", false).endObject().endArray().endObject();
    }

    /** Of each leader that listens, in order; never fails. */
    private Future<Map<Leader, StatisticsResponse>> statistics() {
        List<Leader> leaders = shared.fleet().picture().listening();
        told.keySet().retainAll(leaders);
        List<Future<?>> asked = new ArrayList<>();
        for (Leader leader : leaders) {
            asked.add(calls.statistics(leader, STATISTICS_MILLIS).onSuccess(answer -> told.put(leader, answer)));
        }
        return Future.join(asked).otherwiseEmpty().map(_ -> told);
    }

    private void metrics(Exchange exchange, Map<Leader, StatisticsResponse> statistics) {
        List<PrometheusRegistry> registries = new ArrayList<>(List.of(shared.registry()));
        int engines = 0;
        for (Catalog.Model model : shared.catalog().models()) {
            ModelMetrics counted = model.newest().metrics();
            List<StatisticsResponse> own = shared.fleet().picture().listening().stream()
                    .filter(leader -> leader.deployment().equals(model.deployment()))
                    .map(leader -> statistics.getOrDefault(leader, StatisticsResponse.getDefaultInstance()))
                    .toList();
            counted.engines().update(engines, own);
            engines += own.size();
            registries.add(counted.registry());
        }
        ByteArrayOutputStream text = new ByteArrayOutputStream(16 << 10);
        try {
            exposition.write(text, Scrape.of(registries));
        } catch (IOException e) {
            throw new UncheckedIOException("writing into memory failed", e);
        }
        exchange.text(200, EXPOSITION, text.toByteArray());
    }

    private JsonWriter status(JsonWriter out, Map<Leader, StatisticsResponse> statistics, Machines machines) {
        out.beginObject().field("version", shared.options().version()).field("ready", shared.ready());
        out.field("requests", shared.requests().get());
        out.name("model");
        Shared.Serving first = shared.catalog().first();
        if (first == null) {
            out.nul();
        } else {
            model(out, first.model());
        }
        out.name("models").beginArray();
        shared.catalog().models().forEach(model -> model(out, model.newest().model()));
        out.endArray().name("deployments").beginArray();
        shared.fleet().picture().deployments().forEach(deployment -> deployment(out, deployment));
        out.endArray();
        out.name("groups").beginArray();
        for (Group group : shared.fleet().picture().groups()) {
            group(out, group, statisticsOf(group, statistics));
        }
        out.endArray().name("machines").beginArray();
        machines.getMachinesList().forEach(machine -> machine(out, machine));
        return out.endArray().endObject();
    }

    private static @Nullable StatisticsResponse statisticsOf(Group group, Map<Leader, StatisticsResponse> statistics) {
        return statistics.entrySet().stream()
                .filter(entry -> entry.getKey().group().equals(group.getName()))
                .map(Map.Entry::getValue)
                .findFirst()
                .orElse(null);
    }

    private static void model(JsonWriter out, ServedModel model) {
        ModelCard card = model.card();
        out.beginObject().name("names").beginArray();
        model.names().forEach(out::value);
        out.endArray().field("name", card.getName()).field("root", card.getRoot());
        out.field("architecture", card.getArchitecture()).field("quantization", card.getQuantization());
        out.field("parameters", card.getParameters()).field("max_model_len", card.getMaxModelLen());
        out.field("backend", card.getBackend())
                .field("block_size", card.getBlockSize())
                .endObject();
    }

    private static void deployment(JsonWriter out, Deployment deployment) {
        out.beginObject().field("name", deployment.getName()).field("model", deployment.getModel());
        out.field("replicas", deployment.getReplicas()).field("size", deployment.getSize());
        out.field("ready", deployment.getReady()).field("updated", deployment.getUpdated());
        out.field("updated_ready", deployment.getUpdatedReady());
        out.field("revision", deployment.getRevision()).field("revision_key", deployment.getRevisionKey());
        out.field("paused", deployment.getPaused()).field("complete", deployment.getComplete());
        out.field("stalled", deployment.getStalled());
        out.field("asleep", deployment.getAsleep()).endObject();
    }

    private static void machine(JsonWriter out, Machine machine) {
        out.beginObject().field("name", machine.getName());
        out.field("votes", machine.getVotes()).field("decides", machine.getDecides());
        out.name("labels").beginObject();
        machine.getLabelsMap().forEach(out::field);
        out.endObject().name("silent_millis");
        if (machine.hasSilentMillis()) {
            out.value(machine.getSilentMillis());
        } else {
            out.nul();
        }
        out.field("cores", machine.getCores()).field("cores_owned", machine.getOwnedCores());
        out.field("numa_nodes", machine.getNumaNodes());
        out.field("memory_bytes", machine.getBytes()).field("memory_bytes_owned", machine.getOwnedBytes());
        out.name("gpus").beginArray();
        for (Gpu gpu : machine.getGpusList()) {
            out.beginObject().field("id", gpu.getId()).field("name", gpu.getName());
            out.field("memory_bytes", gpu.getBytes())
                    .field("group", gpu.getGroup())
                    .endObject();
        }
        out.endArray().name("groups").beginArray();
        machine.getGroupsList().forEach(out::value);
        out.endArray().endObject();
    }

    private static void group(JsonWriter out, Group group, @Nullable StatisticsResponse statistics) {
        out.beginObject().field("name", group.getName());
        out.field("state", plain(group.getState().name(), "GROUP_STATE_")).field("reason", group.getReason());
        out.field("restarts", group.getRestarts()).field("model", group.getModel());
        out.field("deployment", group.getDeployment()).field("revision", group.getRevision());
        out.name("statistics");
        if (statistics == null) {
            out.nul();
        } else {
            out.beginObject().field("running", statistics.getRunning()).field("waiting", statistics.getWaiting());
            out.field("kv_blocks_used", statistics.getBlocksUsed());
            out.field("kv_blocks_total", statistics.getBlocksTotal());
            out.field("prompt_tokens", statistics.getPromptTokens());
            out.field("generation_tokens", statistics.getGenerationTokens());
            out.field("preemptions", statistics.getPreemptions()).endObject();
        }
        out.name("ranks").beginArray();
        for (Rank rank : group.getRanksList()) {
            out.beginObject().field("rank", rank.getRank());
            out.field("state", plain(rank.getState().name(), "RANK_STATE_"));
            out.field("host", rank.getHost()).field("port", rank.getPort());
            out.field("pid", rank.getProcessId())
                    .field("detail", rank.getDetail())
                    .endObject();
        }
        out.endArray().endObject();
    }

    private static String plain(String constant, String prefix) {
        return constant.substring(constant.startsWith(prefix) ? prefix.length() : 0)
                .toLowerCase(Locale.ROOT);
    }
}
