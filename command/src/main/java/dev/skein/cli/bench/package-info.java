/// `skein bench`: how fast the engine is on this machine, and how fast a server is beside its peer.
///
/// [EngineBench] drives an engine inside of this process, without HTTP. [ServerBench] drives servers by their HTTP
/// interface
/// as many clients at once would. Every figure is the median of several runs with the smallest and largest beside it;
/// two servers are measured in turns, so that a machine that slows down slows both.
@NullMarked
package dev.skein.cli.bench;

import org.jspecify.annotations.NullMarked;
