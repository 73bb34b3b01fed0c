/**
 * What the ranks of a group say to each other inside a step: sums, gathered parts, rows handed on.
 *
 * <p>A {@link dev.skein.compute.collective.Collective} knows addresses of memory and nothing of models. Whoever makes one
 * has decided who its ranks are; a rank that splits a layer with some and hands rows on to others holds two.
 *
 * <p>Ranks never agree on anything by talking: all of them run the same operations of the same step in the same order,
 * and the n-th call on one rank meets the n-th call on the others. A rank that does not come is named in a
 * {@link dev.skein.compute.collective.CollectiveException} when its time is over; nothing here waits for ever.
 */
@NullMarked
package dev.skein.compute.collective;

import org.jspecify.annotations.NullMarked;
