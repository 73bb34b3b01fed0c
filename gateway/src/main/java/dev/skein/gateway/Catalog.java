package dev.skein.gateway;

import dev.skein.gateway.openai.ApiException;
import dev.skein.gateway.traffic.Dialect;
import dev.skein.gateway.traffic.Fleet;
import dev.skein.gateway.traffic.Leader;
import dev.skein.protocol.v1.Group;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Which models are served under which names. One context writes, with {@link #learnt} and {@link #told}; any thread reads.
 */
final class Catalog {

    /**
     * What requests of one deployment's names get.
     *
     * @param newest of its revisions that is known
     * @param byGroup one for each of its ready groups: while an update goes on they may differ
     */
    record Model(String deployment, Shared.Serving newest, List<Shared.Serving> byGroup) {
        List<String> names() {
            return newest.model().names();
        }
    }

    // Written on one context, read by the threads that build.
    private final Map<String, Shared.Serving> lines = new ConcurrentHashMap<>();
    private final AtomicInteger turn = new AtomicInteger();
    // Written by told, read by all event loops.
    private volatile List<Model> models = List.of();

    /** In the scheduler's order. */
    List<Model> models() {
        return models;
    }

    List<String> names() {
        return models.stream().flatMap(model -> model.names().stream()).toList();
    }

    /** The first of what is served; null before the first group has told its model. */
    Shared.@Nullable Serving first() {
        List<Model> now = models;
        return now.isEmpty() ? null : now.getFirst().newest();
    }

    /** What a request's JSON asks for by name; the first where it gives none. */
    Shared.Serving of(@Nullable Object json) {
        String name = json instanceof Map<?, ?> fields && fields.get("model") instanceof String given ? given : "";
        List<Model> now = models;
        if (now.isEmpty()) {
            throw ApiException.unavailable("The model is still loading; try again later");
        }
        for (Model model : now) {
            if (name.isEmpty() || model.names().contains(name)) {
                return turn(model);
            }
        }
        if (now.size() == 1) {
            // What else is wrong with the request is told first.
            return turn(now.getFirst());
        }
        throw ApiException.unknownModel(name, names());
    }

    /** Where the groups of a deployment differ, each takes its share. */
    private Shared.Serving turn(Model model) {
        List<Shared.Serving> all = model.byGroup();
        return all.isEmpty() ? model.newest() : all.get(Math.floorMod(turn.getAndIncrement(), all.size()));
    }

    boolean knows(String line) {
        return lines.containsKey(line);
    }

    /** Whether the model of that deployment is known. */
    boolean serves(String deployment) {
        return before(deployment) != null;
    }

    /** One that speaks the same is used again, with its tokenizer. */
    Shared.@Nullable Serving speaking(Dialect dialect) {
        return lines.values().stream()
                .filter(serving -> serving.dialect().equals(dialect))
                .findFirst()
                .orElse(null);
    }

    void learnt(String line, Shared.Serving serving) {
        lines.put(line, serving);
    }

    /** The groups have changed. */
    void told(Fleet.Picture picture) {
        Map<String, Model> next = new LinkedHashMap<>();
        picture.deployments().forEach(deployment -> add(next, deployment.getName(), picture));
        picture.groups().forEach(group -> {
            if (!next.containsKey(group.getDeployment())) {
                add(next, group.getDeployment(), picture);
            }
        });
        if (picture.deployments().isEmpty()) {
            // A scheduler that has just begun anew: what was served will be again.
            models.stream()
                    .filter(model -> !next.containsKey(model.deployment()))
                    .forEach(model -> add(next, model.deployment(), picture));
        }
        models = List.copyOf(next.values());
        List<String> present = Stream.concat(
                        picture.groups().stream().map(Leader::line), keptLines(next.values().stream()))
                .toList();
        lines.keySet().retainAll(present);
    }

    private Stream<String> keptLines(Stream<Model> all) {
        List<Dialect> kept = all.map(model -> model.newest().dialect()).toList();
        return lines.entrySet().stream()
                .filter(entry -> kept.contains(entry.getValue().dialect()))
                .map(Map.Entry::getKey);
    }

    private void add(Map<String, Model> next, String deployment, Fleet.Picture picture) {
        List<Shared.Serving> byGroup = new ArrayList<>();
        Shared.Serving newest = before(deployment);
        long revision = -1;
        for (Group group : picture.groups()) {
            Shared.Serving serving = lines.get(Leader.line(group));
            if (!group.getDeployment().equals(deployment) || serving == null) {
                continue;
            }
            if (group.getRevision() > revision) {
                revision = group.getRevision();
                newest = serving;
            }
            if (picture.ready().stream().anyMatch(leader -> leader.group().equals(group.getName()))) {
                byGroup.add(serving);
            }
        }
        if (newest != null) {
            List<String> names = names(deployment, picture);
            next.put(
                    deployment,
                    new Model(
                            deployment,
                            newest.named(names),
                            byGroup.stream().map(each -> each.named(names)).toList()));
        }
    }

    private Shared.@Nullable Serving before(String deployment) {
        return models.stream()
                .filter(model -> model.deployment().equals(deployment))
                .map(Model::newest)
                .findFirst()
                .orElse(null);
    }

    /** The names that a deployment is served under; empty for its model's own. */
    static List<String> names(String deployment, Fleet.Picture picture) {
        return picture.deployments().stream()
                .filter(each -> each.getName().equals(deployment))
                .flatMap(each -> each.getServedNamesList().stream())
                .toList();
    }
}
