/**
 * The worker's calls over gRPC: what {@code worker.proto} says, spoken by Vert.x.
 *
 * <p>All handlers run on one event loop and never wait. A stream's tokens arrive from the engine's thread into its
 * {@link dev.skein.worker.service.GenerateCall}, which hands them to the event loop; what piles up while the event loop
 * or the reader is busy goes out as one message. Back-pressure ends there: a full write queue pauses the sequence, a
 * drained one resumes it, and a reset, a closed connection or a passed deadline cancels it.
 */
@NullMarked
package dev.skein.worker.service;

import org.jspecify.annotations.NullMarked;
