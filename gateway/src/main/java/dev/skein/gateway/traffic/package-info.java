/**
 * Requests to groups.
 *
 * <p>{@link dev.skein.gateway.traffic.Fleet} holds the newest picture of the groups, as the scheduler's watch stream
 * tells it, and hands out leaders; {@link dev.skein.gateway.traffic.Routing} is the rule by which one is picked, a pure
 * function. {@link dev.skein.gateway.traffic.SequenceCall} is one sequence's stream from a leader: it waits for a group,
 * tries another one where nothing of the answer has gone out yet, passes pauses on, and cancels.
 *
 * <p>Which failures are tried again: a leader that was not reached or did not take the request (draining, not ready) has
 * cost nothing, so that is tried until the time to wait for a group is over. A leader lost with the request in hand may
 * have been lost because of it, so that is tried twice more at most.
 */
@NullMarked
package dev.skein.gateway.traffic;

import org.jspecify.annotations.NullMarked;
