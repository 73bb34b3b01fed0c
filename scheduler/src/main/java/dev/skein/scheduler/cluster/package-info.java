/// Several machines as one: what carries the decisions of [dev.skein.scheduler.agent] over a network.
///
/// A [Member] runs on each machine. Its [Agent] gives the machine's devices away and starts ranks as processes of
/// that machine. Its [Door] takes what is asked, and hands on to who drives what is not for this machine.
///
/// Some machines vote, as a rule three. The [AgentSubstrate] of such a [Voter] steers all agents while a majority of
/// the voters' lets it, and is then the [dev.skein.scheduler.Substrate] of a scheduler; so the lifecycle and rollouts
/// are the same as on one machine. What is wanted is on every voter ([dev.skein.scheduler.DeploymentStore]), and on
/// the disks of most before it is answered ([Keeping]); where groups are is read from the agents.
///
/// A member that begins to drive first asks what runs, then takes those groups on as they are. A group whose
/// machine is silent is placed anew when the fence is over, not before; see the rules in
/// [dev.skein.scheduler.agent].
@NullMarked
package dev.skein.scheduler.cluster;

import org.jspecify.annotations.NullMarked;
