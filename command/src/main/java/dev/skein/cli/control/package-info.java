/// The commands that change what a running server serves: `scale`, `rollout`, `apply` and `why`.
///
/// They talk to the scheduler, not to the gateway: who may use a model may not thereby take it away. A server leaves
/// the port and the token of its scheduler in a file that only its own user can read ([ServerFile]), so these
/// commands work for that user on that machine, and need no key.
@NullMarked
package dev.skein.cli.control;

import org.jspecify.annotations.NullMarked;
