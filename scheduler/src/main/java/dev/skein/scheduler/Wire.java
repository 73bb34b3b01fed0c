package dev.skein.scheduler;

import dev.skein.protocol.v1.DeploymentSpec;
import dev.skein.protocol.v1.Gpu;
import dev.skein.protocol.v1.Group;
import dev.skein.protocol.v1.GroupState;
import dev.skein.protocol.v1.Groups;
import dev.skein.protocol.v1.Machine;
import dev.skein.protocol.v1.Machines;
import dev.skein.protocol.v1.RankState;
import dev.skein.protocol.v1.RestartPolicy;
import dev.skein.protocol.v1.StartupPolicy;
import dev.skein.scheduler.agent.Answer;
import dev.skein.scheduler.agent.Claim;
import dev.skein.scheduler.agent.Devices;
import dev.skein.scheduler.lifecycle.Policy;
import dev.skein.scheduler.lifecycle.Rank;
import dev.skein.scheduler.lifecycle.Restart;
import dev.skein.scheduler.lifecycle.Startup;
import dev.skein.scheduler.rollout.Amount;
import dev.skein.scheduler.rollout.Deployment;
import dev.skein.scheduler.rollout.Needs;
import dev.skein.scheduler.rollout.Strategy;
import dev.skein.scheduler.rollout.Template;
import java.util.List;

/// The scheduler's records as messages of the protocol.
final class Wire {
    private Wire() {}

    static Groups groups(Picture picture) {
        Groups.Builder groups = Groups.newBuilder();
        picture.deployments().forEach(status -> groups.addDeployments(deployment(status)));
        picture.groups().forEach(status -> groups.addGroups(group(status)));
        return groups.build();
    }

    static dev.skein.protocol.v1.Deployment deployment(DeploymentStatus status) {
        Deployment wanted = status.deployment();
        return dev.skein.protocol.v1.Deployment.newBuilder()
                .setName(wanted.name())
                .addAllServedNames(wanted.served())
                .setModel(wanted.template().model())
                .setReplicas(wanted.replicas())
                .setSize(wanted.template().size())
                .setRevision(status.revision())
                .setRevisionKey(wanted.template().key())
                .setReady(status.ready())
                .setUpdated(status.updated())
                .setUpdatedReady(status.updatedReady())
                .setPaused(wanted.paused())
                .setComplete(status.complete())
                .setStalled(status.stalled())
                .setAsleep(status.asleep())
                .build();
    }

    /// @throws IllegalArgumentException for what no deployment can be
    static Deployment deployment(DeploymentSpec spec) {
        Policy policy = Policy.DEFAULT
                .withStartup(
                        spec.getStartupPolicy() == StartupPolicy.STARTUP_POLICY_LEADER_READY
                                ? Startup.LEADER_READY
                                : Startup.LEADER_CREATED)
                .withRestart(restart(spec.getRestartPolicy()), spec.getRecoverMillis());
        Template template = new Template(
                spec.getModel(),
                spec.getSize(),
                Math.max(1, spec.getTensor()),
                spec.getParameters(),
                new Needs(spec.getThreads(), spec.getBytes(), spec.getGpus(), spec.getGpuBytes()),
                policy);
        return new Deployment(
                spec.getName(),
                spec.getServedNamesList(),
                template,
                spec.getReplicas(),
                spec.getScaleToZeroMillis(),
                strategy(spec),
                false);
    }

    /// The deployment as it would be applied, but for whether it is paused.
    static DeploymentSpec spec(Deployment wanted) {
        Template template = wanted.template();
        Strategy strategy = wanted.strategy();
        return DeploymentSpec.newBuilder()
                .setName(wanted.name())
                .addAllServedNames(wanted.served())
                .setModel(template.model())
                .setReplicas(wanted.replicas())
                .setScaleToZeroMillis(wanted.scaleToZeroMillis())
                .setSize(template.size())
                .setParameters(template.parameters())
                .setThreads(template.needs().threads())
                .setBytes(template.needs().bytes())
                .setTensor(template.tensor())
                .setGpus(template.needs().gpus())
                .setGpuBytes(template.needs().gpuBytes())
                .setMaxUnavailable(strategy.maxUnavailable().toString())
                .setMaxSurge(strategy.maxSurge().toString())
                .setPartition(strategy.partition())
                .setProgressDeadlineMillis(strategy.progressMillis())
                .setDrainMillis(strategy.drainMillis())
                .setStartupPolicy(
                        template.policy().startup() == Startup.LEADER_READY
                                ? StartupPolicy.STARTUP_POLICY_LEADER_READY
                                : StartupPolicy.STARTUP_POLICY_LEADER_CREATED)
                .setRestartPolicy(
                        switch (template.policy().restart()) {
                            case NONE -> RestartPolicy.RESTART_POLICY_NONE;
                            case RECREATE_GROUP_AFTER_START -> RestartPolicy.RESTART_POLICY_RECREATE_GROUP_AFTER_START;
                            case RECREATE_GROUP_ON_POD_RESTART ->
                                RestartPolicy.RESTART_POLICY_RECREATE_GROUP_ON_POD_RESTART;
                        })
                .setRecoverMillis(template.policy().recoverMillis())
                .build();
    }

    private static Restart restart(RestartPolicy policy) {
        return switch (policy) {
            case RESTART_POLICY_NONE -> Restart.NONE;
            case RESTART_POLICY_RECREATE_GROUP_AFTER_START -> Restart.RECREATE_GROUP_AFTER_START;
            default -> Restart.RECREATE_GROUP_ON_POD_RESTART;
        };
    }

    private static Strategy strategy(DeploymentSpec spec) {
        Strategy usual = Strategy.DEFAULT;
        return new Strategy(
                spec.getMaxUnavailable().isEmpty() ? usual.maxUnavailable() : Amount.of(spec.getMaxUnavailable()),
                spec.getMaxSurge().isEmpty() ? usual.maxSurge() : Amount.of(spec.getMaxSurge()),
                spec.getPartition(),
                spec.getProgressDeadlineMillis() == 0 ? usual.progressMillis() : spec.getProgressDeadlineMillis(),
                spec.getDrainMillis() == 0 ? usual.drainMillis() : spec.getDrainMillis());
    }

    static Machines machines(List<MachineStatus> all) {
        return Machines.newBuilder()
                .addAllMachines(all.stream().map(Wire::machine).toList())
                .build();
    }

    private static Machine machine(MachineStatus status) {
        Machine.Builder machine = Machine.newBuilder()
                .setName(status.name())
                .setVotes(status.votes())
                .setDecides(status.decides());
        Answer answer = status.answer();
        return answer == null
                ? machine.build()
                : described(machine.setSilentMillis(status.silentMillis()), answer)
                        .build();
    }

    private static Machine.Builder described(Machine.Builder machine, Answer answer) {
        Devices devices = answer.machine().devices();
        List<Claim> claims = answer.claims();
        devices.gpus()
                .forEach(gpu -> machine.addGpus(Gpu.newBuilder()
                        .setId(gpu.id())
                        .setName(gpu.name())
                        .setBytes(gpu.bytes())
                        .setGroup(claims.stream()
                                .filter(claim -> claim.gpus().contains(gpu.id()))
                                .map(Claim::group)
                                .findFirst()
                                .orElse(""))));
        return machine.putAllLabels(answer.machine().labels())
                .setCores(devices.cores())
                .setOwnedCores(
                        claims.stream().mapToInt(claim -> claim.cores().size()).sum())
                .setNumaNodes((int) devices.numa().stream().distinct().count())
                .setBytes(devices.bytes())
                .setOwnedBytes(claims.stream().mapToLong(Claim::bytes).sum())
                .addAllGroups(claims.stream().map(Claim::group).toList());
    }

    private static Group group(GroupStatus status) {
        Group.Builder group = Group.newBuilder()
                .setName(status.spec().name())
                .setState(state(status))
                .setReason(status.reason())
                .setRestarts(status.observed().restarts())
                .setModel(status.spec().model())
                .setDeployment(status.deployment())
                .setRevision(status.revision())
                .setRevisionKey(status.key());
        status.observed().ranks().forEach(rank -> group.addRanks(rank(rank)));
        return group.build();
    }

    private static GroupState state(GroupStatus status) {
        return switch (status.state()) {
            case PENDING -> GroupState.GROUP_STATE_PENDING;
            case PLACED -> GroupState.GROUP_STATE_PLACED;
            case STARTING -> GroupState.GROUP_STATE_STARTING;
            case WARMING -> GroupState.GROUP_STATE_WARMING;
            case READY -> GroupState.GROUP_STATE_READY;
            case DRAINING -> GroupState.GROUP_STATE_DRAINING;
            case GONE -> GroupState.GROUP_STATE_GONE;
            case FAILED -> GroupState.GROUP_STATE_FAILED;
        };
    }

    private static dev.skein.protocol.v1.Rank rank(Rank rank) {
        return dev.skein.protocol.v1.Rank.newBuilder()
                .setRank(rank.index())
                .setState(state(rank))
                .setHost(rank.host())
                .setPort(rank.port())
                .setProcessId(rank.processId())
                .setToken(rank.token())
                .setDetail(rank.detail())
                .build();
    }

    /// A draining rank still takes calls until it ends, though no new ones should be sent: that is the group's state to
    /// say.
    private static RankState state(Rank rank) {
        return switch (rank.phase()) {
            case ABSENT, KILLED -> RankState.RANK_STATE_EXITED;
            case STARTING -> RankState.RANK_STATE_STARTING;
            case WARMING -> RankState.RANK_STATE_LISTENING;
            case READY, DRAINING -> RankState.RANK_STATE_READY;
        };
    }
}
