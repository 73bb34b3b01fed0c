/// `skein bench`: how fast the engine is on this machine, and how fast a server is beside its peer.
///
/// [EngineBench] drives an engine inside of this process, without HTTP. [ServerBench] reads the flags of a load
/// test over HTTP, shows its progress and prints its report; the test itself is the module `loadtest`. Every figure
/// is the median of several runs with the smallest and largest beside it; two servers are measured in turns, so
/// that a machine that slows down slows both.
@NullMarked
package dev.skein.cli.bench;

import org.jspecify.annotations.NullMarked;
