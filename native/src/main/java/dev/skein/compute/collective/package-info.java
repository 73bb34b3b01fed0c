/**
 * What the ranks of a group say to each other inside a step: sums, gathered parts, rows handed on.
 *
 * <p>A {@link dev.skein.compute.collective.Collective} knows addresses of memory and nothing of models. Whoever makes one
 * has decided who its ranks are; a rank that splits a layer with some and hands rows on to others holds two.
 *
 * <p>Ranks never agree on anything by talking: all of them run the same operations of the same step in the same order,
 * and the n-th call on one rank meets the n-th call on the others. A rank that does not come is named in a
 * {@link dev.skein.compute.collective.CollectiveException} when its time is over, one that died within some milliseconds;
 * only {@link dev.skein.compute.collective.Collective#awaitBroadcast} waits for as long as there is nothing to do.
 *
 * <p>{@link dev.skein.compute.collective.Collectives} chooses how the ends meet: ranks of one host share a mapped file and spin
 * on counters in it, those of several have a connection between each two, moved on by the thread that makes the calls. Both make
 * sums in the order of ranks, so they agree bit for bit.
 */
@NullMarked
package dev.skein.compute.collective;

import org.jspecify.annotations.NullMarked;
