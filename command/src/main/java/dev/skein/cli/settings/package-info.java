/// The settings of `skein serve`: one table for the command line, the environment, the YAML file and the help text.
///
/// [ServeSettings] is the table: names and defaults are vLLM's where vLLM has them. A [Setting] has a name (its flag
/// without dashes, which is also its key in YAML), a way to read text, and a default. [SettingsReader] gathers text
/// from
/// the command line, then the environment, then the file - the first that names a setting wins, for lists as a whole -
/// and
/// [Settings] hands out typed values.
@NullMarked
package dev.skein.cli.settings;

import org.jspecify.annotations.NullMarked;
