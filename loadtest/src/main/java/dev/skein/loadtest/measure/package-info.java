/// What was seen of a server, and what it amounts to: pure functions of recorded bytes and times.
///
/// An [dev.skein.loadtest.measure.Exchange] is what came over one connection, each piece of bytes with the time
/// when it arrived. Nothing is parsed while a run is measured: [dev.skein.loadtest.measure.Exchange#outcome()]
/// reads the events afterwards. An [dev.skein.loadtest.measure.Observation] adds when the request was due, and a
/// [dev.skein.loadtest.measure.Summary] is the figures of one run.
///
/// Times are nanoseconds from the start of the run. All latencies count **from when a request was due**, not from
/// when it was sent: a generator that is held up, or that waits for a free place, must not hide what a user would
/// have waited (Gil Tene's "coordinated omission"). Terms are those of vLLM's benchmark: *time to first token* ends
/// at the first piece of text, *between tokens* is each gap from one piece to the next, *per output token* is the
/// time from first to last piece over the tokens after the first, *end to end* ends at the last piece.
///
/// Quantiles are exact, by nearest rank over all values: a run keeps some thousand to million numbers, for which
/// sorting costs less than the error of a histogram would.
@NullMarked
package dev.skein.loadtest.measure;

import org.jspecify.annotations.NullMarked;
