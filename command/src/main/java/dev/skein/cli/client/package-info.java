/// The commands that talk to a running server: `chat` and `status`.
///
/// They know the server only by its HTTP interface ([ServerApi]), so they work with a server elsewhere too. `chat`
/// starts a
/// server of its own where none answers.
@NullMarked
package dev.skein.cli.client;

import org.jspecify.annotations.NullMarked;
