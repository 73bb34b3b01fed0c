/// Several machines as one: what carries the decisions of [dev.skein.scheduler.agent] over a network.
///
/// A [Member] runs on each machine. Its [Agent] gives the machine's devices away and starts ranks as processes of
/// that machine. Its [AgentSubstrate] steers all agents while a majority of them lets it, and is then the
/// [dev.skein.scheduler.Substrate] of a scheduler; so the lifecycle and rollouts are the same as on one machine.
/// What is wanted is on every member ([dev.skein.scheduler.DeploymentStore]); where groups are is read from the
/// agents.
///
/// A member that begins to drive first asks what runs, then takes those groups on as they are. A group whose
/// machine is silent is placed anew when the fence is over, not before; see the rules in
/// [dev.skein.scheduler.agent].
@NullMarked
package dev.skein.scheduler.cluster;

import org.jspecify.annotations.NullMarked;
