package dev.skein.compute;

import java.util.List;

/**
 * The memory of a device that has its own, and what things would take of it: asked before anything is loaded. Sizes are
 * those of {@link Backend}'s methods of about the same names.
 */
public interface OwnMemory {
    long totalBytes();

    /** What nobody, in this process or another, has taken yet. */
    long freeBytes();

    /** Of one of {@link Backend#weight}, also if it is a gated one; rows are those of all matrices together. */
    long weightBytes(List<ElementType> types, int rows, int columns);

    long tableBytes(int rows, int columns);

    /** Of one of {@link Backend#experts}, for each matrix of a number of rows. */
    long expertBytes(int rows, int columns);

    /**
     * What steps take besides where there are experts.
     *
     * @param rows tokens of a step, as often as experts are chosen for each
     * @param inner rows of an expert's gate
     */
    long expertWorkBytes(long rows, int hidden, int inner);

    /**
     * What steps take beside weights, buffers and cache.
     *
     * @param vocabulary the length of a row of logits
     * @param largestWeight rows times columns of the largest weight
     */
    long workBytes(StepInputs.Limits limits, int vocabulary, long largestWeight);
}
