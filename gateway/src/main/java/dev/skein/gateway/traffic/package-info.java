/**
 * Requests to groups.
 *
 * <p>{@link dev.skein.gateway.traffic.Fleet} holds the newest picture of the groups, as the scheduler's watch stream
 * tells it, and hands out leaders; {@link dev.skein.gateway.traffic.Routing} is the rule by which one is picked, a pure
 * function of what each has to do and of how much of the prompt it has seen lately
 * ({@link dev.skein.gateway.traffic.Prefix}). {@link dev.skein.gateway.traffic.SequenceCall} is one sequence's stream from
 * a leader: it waits for a group, goes on with another one from the last id that was heard, passes pauses on, and cancels.
 *
 * <p>Groups of one <em>dialect</em> have the same weights, limits and vocabulary: only they can go on with each other's
 * answers. While a deployment is updated to another model there are two.
 *
 * <p>A deployment that sleeps has no groups until somebody wants one: the fleet tells the scheduler when a request waits for
 * it.
 *
 * <p>Which failures are tried again: a leader that was not reached or did not take the request (draining, not ready) has
 * cost nothing, so that is tried until the time to wait for a group is over. A leader lost with the request in hand may
 * have been lost because of it, so that is tried twice more at most, unless many ids have come in between.
 */
@NullMarked
package dev.skein.gateway.traffic;

import org.jspecify.annotations.NullMarked;
