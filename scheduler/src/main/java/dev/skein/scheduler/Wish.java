package dev.skein.scheduler;

import com.google.protobuf.InvalidProtocolBufferException;
import dev.skein.protocol.v1.KeptDeployment;
import dev.skein.scheduler.rollout.Deployment;
import dev.skein.scheduler.rollout.Template;
import java.util.List;

/// What is wanted of a deployment, and the templates that it can go back to: all that outlives its scheduler.
///
/// @param revision counts the templates that it has had
/// @param earlier templates before the newest, the oldest first
/// @param version grows with every change; of two wishes the higher one counts
public record Wish(Deployment deployment, int revision, List<Template> earlier, long version) {
    public Wish {
        earlier = List.copyOf(earlier);
    }

    /// What is wanted now of a deployment; the version is not known here.
    public static Wish of(DeploymentStatus status) {
        return new Wish(status.deployment(), status.revision(), status.earlier(), 0);
    }

    String name() {
        return deployment.name();
    }

    Wish at(long next) {
        return new Wish(deployment, revision, earlier, next);
    }

    KeptDeployment message() {
        return KeptDeployment.newBuilder()
                .setSpec(Wire.spec(deployment))
                .setPaused(deployment.paused())
                .setVersion(version)
                .setRevision(revision)
                .addAllEarlier(earlier.stream()
                        .map(template -> Wire.spec(deployment.withTemplate(template)))
                        .toList())
                .build();
    }

    static Wish of(KeptDeployment message) {
        return new Wish(
                Wire.deployment(message.getSpec()).withPaused(message.getPaused()),
                message.getRevision(),
                message.getEarlierList().stream()
                        .map(spec -> Wire.deployment(spec).template())
                        .toList(),
                message.getVersion());
    }

    /// @throws IllegalStateException if another version of this program wrote what this one cannot read
    static Wish of(byte[] message) {
        try {
            return of(KeptDeployment.parseFrom(message));
        } catch (InvalidProtocolBufferException | IllegalArgumentException e) {
            throw new IllegalStateException("what another machine wants of a deployment cannot be read", e);
        }
    }
}
