/// Models from a hub that speaks Hugging Face's interface, fetched once, checked, and kept.
///
/// [Pull] asks the hub for the listing of a model at a revision, which names a commit, its files, their sizes and
/// hashes. [Selection] decides which of them a server needs: the safetensors with their configuration and tokenizer, or
/// the GGUF file of one quantization with all its parts. Each file is a [Download]: it grows beside the place where it
/// will be, goes on where it was cut, and gets its name only when size and hash are right. At last a [KeptModel] is
/// written, and what has no such record is not there, so a pull that breaks off leaves parts that the next one takes up
/// and nothing that a server would take for a model.
///
/// [HubCache] is the folder of all that. A model found there needs no network: revisions are looked up again when it is
/// pulled again, not at each start.
///
/// The hub, its redirects and its listing are not believed: names cannot leave the folder, bodies are bounded by what
/// was promised, the token goes to the hub's own address alone, waiting and trying again have bounds. What the user can
/// change is said in one line, a [dev.skein.cli.CommandException].
@NullMarked
package dev.skein.cli.model.hub;

import org.jspecify.annotations.NullMarked;
