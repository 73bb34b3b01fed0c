/// Many machines: who owns which device, and who decides.
///
/// Each machine has an agent. Its [Ledger] is the only arbiter of the machine's cores, memory and GPUs. One
/// [Driver] among the voters of a cluster decides where groups go ([Placement]), asks every agent that it needs for a
/// reservation, and commits when all have given it. Nothing here has a clock, a thread or a network: time comes as
/// a parameter, calls go out as records and answers come in as records, so that a hundred thousand histories of
/// loss, delay, restart and partition can be played in seconds.
///
/// The rules, with P = [Times#promiseMillis] and K = [Times#keepMillis]:
///
/// 1. *One driver.* An agent that says yes to a driver's beat says no to all others for P on its own clock. A
///    driver drives while a majority of the voters' agents said yes to beats that it sent less than P less a tenth ago.
///    Two majorities share an agent, so two drivers never drive at once. One that gives up says so, for good for
///    this term, and is not waited for.
/// 2. *Terms and epochs.* A driver drives with a term that it alone has; agents refuse older ones. Every decision
///    about a group gets an epoch, higher than all before. Each beat names the epoch of every group: an agent ends
///    what it has of an older one, and gives devices only for the very epochs that the last beat names. So nothing
///    that comes late or twice brings back what is over, also when the driver has forgotten a group that is gone
///    and its beats name it no more. An agent's answer lists all its claims.
/// 3. *Leases are timed by the agent's clock.* An answer carries the agent's clock, and only a later beat that
///    repeats it renews the agent's lease, to that clock plus P for reserving and K for running. So a beat that was
///    long on its way renews nothing.
/// 4. *Who ends what.* P after the newest clock so proved, the agent ends its reservations and makes no new ones. K
///    after it, it ends its ranks; their devices are free when they have exited. With K = 0 they run for ever.
/// 5. *The fence.* A driver places a group anew only when every agent of the cluster either has acknowledged the
///    new epoch and shows nothing of an older one, or was not heard for K and a tenth, counted from its last answer
///    or from the moment this driver began to drive, whichever is later. By rule 3 the agent cannot have been
///    renewed with a later clock than that of its last answer, and by rule 1 no earlier driver renewed it after
///    this one began: so its ranks have ended. With K = 0 there is no fence, and such a group waits for its
///    machine.
/// 6. *Restarts.* An agent keeps term and driver on its disk, and promises nothing to another driver for P after a
///    restart. Its claims are gone with its processes, so the driver places those groups anew; it must see to it
///    that none of those processes is left when it begins.
@NullMarked
package dev.skein.scheduler.agent;

import org.jspecify.annotations.NullMarked;
