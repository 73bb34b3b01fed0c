/// The scheduler's edge: what carries out the decisions of [dev.skein.scheduler.rollout], which groups there are, and
/// of
/// [dev.skein.scheduler.lifecycle], what happens in each.
///
/// [Scheduler] owns the state of all deployments and groups. One thread takes what is wanted and what was seen, asks
/// the
/// two cores, and hands the actions to a [Substrate]. Nothing else changes state, so there are no locks.
///
/// [LocalSubstrate] runs ranks as child processes of this one. A child is told its parameters and its secret on its
/// standard input, where no other user can read them, and that input stays open for as long as the parent lives: when
/// it
/// ends, by whatever cause, the child ends too. What a child has to say ([RankReport]) comes as JSON lines on its
/// standard
/// output; its standard error is its log.
///
/// [GroupStore] keeps the groups in an embedded Hazelcast member. It is written behind: the first process is started
/// without waiting for it. [GroupsServer] tells the picture to whoever watches, over gRPC.
@NullMarked
package dev.skein.scheduler;

import org.jspecify.annotations.NullMarked;
