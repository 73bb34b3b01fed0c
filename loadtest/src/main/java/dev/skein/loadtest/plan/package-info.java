/// What a load test asks, and when: pure functions of a [dev.skein.loadtest.plan.Load] and its seed.
///
/// A [dev.skein.loadtest.plan.Pattern] says when requests are due: as soon as a client is free (closed loop), at
/// random times of a rate, or at the times of a trace (open loop). [dev.skein.loadtest.plan.Sizes] says how long
/// prompts and answers are, [dev.skein.loadtest.plan.Prefix] what prompts have in common, and
/// [dev.skein.loadtest.plan.Dialect] which of OpenAI's two endpoints is asked.
///
/// The same load and seed make the same prompts at the same times on every machine, so two servers that are
/// measured in turns get the same work. Prompts are plain English words, of which each is about one token in the
/// vocabularies of today's models; how many tokens they were is what the server counts. No run repeats a prompt of
/// another, so that nothing but the shared prefix helps a cache of prefixes.
@NullMarked
package dev.skein.loadtest.plan;

import org.jspecify.annotations.NullMarked;
