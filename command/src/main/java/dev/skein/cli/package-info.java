/// The command `skein`: knows all other modules, and nobody knows it.
///
/// [Skein] looks at the first word and hands over to a subcommand. `serve` is the product: it starts the worker as a
/// child
/// process first thing, because weights take longest, and puts gateway, scheduler and group store beside it meanwhile.
/// `worker` is that child. The others are clients of a running server or tools.
///
/// Two kinds of failure reach the user. A [CommandException] is one clear line and an exit code; anything else is a
/// defect
/// of ours and is logged with its trace.
@NullMarked
package dev.skein.cli;

import org.jspecify.annotations.NullMarked;
