/// The decision core of the scheduler: what to do next for a group, given what is wanted and what was seen.
///
/// Everything here is a pure function over records: no clock, no thread, no process. Three functions make the core:
///
/// - [Lifecycle#decide] says which actions are due now and when to ask again. Asking twice gives the same answer.
/// - [Observed#begun] notes that an action was handed to the substrate.
/// - [Observed#after] notes what the substrate saw. Randomness for the jitter of the back-off comes in as a parameter.
///
/// A rank is one process. Each start of it gets a new *incarnation* number, and every event names the incarnation that
/// it
/// speaks of, so news of a process that is already replaced is dropped. The core asks for a new process of a rank only
/// after it was told that the old one has exited: there are never two processes for one rank.
///
/// A failure is *quick* when the rank had not been ready for a while ([Policy#stableMillis]). Quick failures lengthen
/// the
/// wait before the next start; a rank that was ready for a while starts the count anew. A group is given up, FAILED
/// with the
/// reason, after a few starts in a row that did not become ready, or after many quick failures.
///
/// The leader (rank 0) of a group starts first, the others as [Startup] says. What the loss of one rank means for the
/// others is [Restart]'s to say: nothing, or that all end and start anew. Before that, lost ranks of a ready group may
/// be *recovered*: started alone while the others keep their weights, for a bounded time.
///
/// How many groups there are, and of which revision, is decided one level up, in [dev.skein.scheduler.rollout].
@NullMarked
package dev.skein.scheduler.lifecycle;

import org.jspecify.annotations.NullMarked;
