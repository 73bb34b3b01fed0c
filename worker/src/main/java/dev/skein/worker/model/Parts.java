package dev.skein.worker.model;

import dev.skein.compute.Buffer;
import dev.skein.compute.ElementType;
import dev.skein.compute.ExpertWeights;
import dev.skein.compute.Weight;
import java.util.List;
import java.util.function.IntFunction;

/**
 * What a model is put together from: weights by the names that {@link Checkpoint} gives them, and buffers by the part
 * they play.
 *
 * <p>A model is put together twice by the same code: from parts that are only {@linkplain CheckedParts checked}, when it
 * is opened, and from parts that are {@linkplain LoadedParts loaded}, when a backend is there. So whatever is wrong is
 * said before anything is loaded, and nothing is asked for that was not checked.
 */
interface Parts {
    /**
     * A matrix of a checkpoint, or some of its rows or columns.
     *
     * @param rows of the whole matrix
     * @param columns of the whole matrix
     * @param takenRows those that this rank has
     * @param takenColumns those that this rank has: whole blocks of its type
     */
    record Matrix(String name, int rows, int columns, Span takenRows, Span takenColumns) {
        Matrix(String name, int rows, int columns) {
            this(name, rows, columns, Span.all(rows), Span.all(columns));
        }

        Matrix takeRows(Span taken) {
            return new Matrix(name, rows, columns, taken, takenColumns);
        }

        Matrix takeColumns(Span taken) {
            return new Matrix(name, rows, columns, takenRows, taken);
        }

        long bytes(ElementType type) {
            return takenRows.size() * type.rowBytes(takenColumns.size());
        }
    }

    /** The weight of a part of a layer. */
    static String name(int layer, String part) {
        return "blk.%d.%s.weight".formatted(layer, part);
    }

    ModelConfig config();

    /** Whether the model makes vectors of texts, and no logits. */
    boolean embeds();

    /** The part of the model that is put together. */
    Shard shard();

    /** Matrices below each other, multiplied as one. */
    Weight weight(Matrix... stacked);

    Weight gatedWeight(Matrix gate, Matrix up);

    Weight table(Matrix matrix);

    Weight vector(String name, int length);

    /** A matrix's first row as a vector. */
    Weight firstRow(Matrix matrix);

    /** Vectors behind each other as one. */
    Weight stackedVector(Matrix... stacked);

    /** Expert e is made of the e-th of each list. */
    ExpertWeights experts(List<Matrix> gate, List<Matrix> up, List<Matrix> down);

    /** How a matrix's elements lie in its file. */
    ElementType type(Matrix matrix);

    /** A buffer with a row for each token of a step; the same one for the same role. */
    Buffer tokens(String role, int columns);

    /** A buffer with a row for each output of a step. */
    Buffer outputs(String role, int columns);

    /** Makes the shard's layers in order. */
    List<Decoder.Layer> layers(IntFunction<Decoder.Layer> layer);
}
