package dev.skein.scheduler;

import com.google.protobuf.InvalidProtocolBufferException;
import dev.skein.protocol.v1.DeploymentSpec;
import dev.skein.scheduler.rollout.Deployment;

/// A deployment as Hazelcast keeps it.
///
/// @param spec a `skein.v1.DeploymentSpec`
public record StoredDeployment(String name, byte[] spec, boolean paused) {

    static StoredDeployment of(Deployment wanted) {
        return new StoredDeployment(wanted.name(), Wire.spec(wanted).toByteArray(), wanted.paused());
    }

    /// @throws IllegalStateException if another version of this program wrote what this one cannot read
    Deployment deployment() {
        try {
            return Wire.deployment(DeploymentSpec.parseFrom(spec)).withPaused(paused);
        } catch (InvalidProtocolBufferException e) {
            throw new IllegalStateException("what is stored of deployment " + name + " cannot be read", e);
        }
    }
}
