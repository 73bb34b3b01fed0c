/// The decision core one level above the group: how many groups a deployment has, and of which revision.
///
/// [dev.skein.scheduler.rollout.Rollout#decide] is a pure function from a [dev.skein.scheduler.rollout.Deployment], as
/// it
/// is wanted, and its groups, as they were seen, to [dev.skein.scheduler.rollout.Step]s: make a group, let a group go.
/// What
/// happens inside a group is the matter of [dev.skein.scheduler.lifecycle].
///
/// What a group is made of is a [dev.skein.scheduler.rollout.Template]. Its *key* is the revision: templates that are
/// alike
/// have the same key, so that going back to an earlier one finds groups that still run it. The only memory between two
/// decisions is the [dev.skein.scheduler.rollout.Pace]: how long the row of groups is and how far the update has come
/// in
/// it, by the arithmetic of LeaderWorkerSet's rolling update (`maxUnavailable`, `maxSurge`, `partition`). Unlike there
/// a
/// group's place in the row is not its name: the row is sorted anew each time, so that broken and idle groups are
/// replaced
/// before busy ones.
///
/// A group that goes keeps its share of the machine until its streams have ended, so it counts until then.
@NullMarked
package dev.skein.scheduler.rollout;

import org.jspecify.annotations.NullMarked;
