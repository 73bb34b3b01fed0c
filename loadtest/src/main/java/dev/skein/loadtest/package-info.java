/// Load on a server that speaks OpenAI's HTTP interface, and what came of it. It knows no part of any server.
///
/// A [dev.skein.loadtest.plan.Load] says what to ask and when; a [dev.skein.loadtest.LoadTest] asks it of one
/// server, or of two in turns, so that a machine that slows down slows both; [dev.skein.loadtest.measure] makes
/// figures of what was recorded and [dev.skein.loadtest.report] prints them. Only this package has clocks, threads,
/// sockets and processes. A [dev.skein.loadtest.Peer] is a server that the test starts and ends itself.
///
/// The client is Vert.x's, on one event loop for all streams: the time of a piece is taken by the thread that took
/// it off the socket, before anything else is done with it, and no other thread is woken. The bytes are kept as
/// they are and parsed when the stream has ended, on another thread. Java's own client hands each piece from its
/// selector to an executor and from there to a reader: two more threads that must get a core before the clock is
/// read, on a machine whose cores the measured server may want too.
@NullMarked
package dev.skein.loadtest;

import org.jspecify.annotations.NullMarked;
