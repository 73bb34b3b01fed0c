/**
 * Models on the cores of this machine, twice: {@link dev.skein.compute.cpu.CpuBackend} in C with vector instructions,
 * and {@link dev.skein.compute.cpu.JavaBackend}, plain, slow and easy to read, which is the oracle of the first and
 * serves where there is no compiler or another processor. {@link dev.skein.compute.cpu.CpuBackends} decides once, and
 * says why.
 *
 * <p>Both do the same arithmetic in the same order, so they agree bit for bit, and so do all instruction sets:
 *
 * <ul>
 *   <li>A quantised weight is a small integer q with a scale d for 32 of them (and a minimum m, or a constant zero
 *       point). An activation row is quantised in the same blocks of 32, to 15 bits: fine enough that logprobs stay
 *       within hundredths of those of 32-bit floats, where 8 bits do not. The dot product of two blocks is then exact in
 *       32-bit integers, in whatever order, and blocks are added up by fused multiply-adds from first to last.
 *   <li>Float weights are fused multiply-adds over the columns from first to last.
 *   <li>Sums over a row (norms, softmax) go through 16 lanes, lane j taking elements j, j + 16, ..., which are then
 *       folded in halves.
 *   <li>Attention walks tiles of 64 cached tokens with a running maximum, in chunks of 256 tokens that are merged from
 *       first to last; whoever computes a chunk, its numbers are the same.
 *   <li>Sampling adds up probabilities as 30-bit integers, which needs no order at all.
 * </ul>
 *
 * So a row's result does not depend on the batch, the chunking of a prompt, the number of threads or the machine.
 */
@NullMarked
package dev.skein.compute.cpu;

import org.jspecify.annotations.NullMarked;
