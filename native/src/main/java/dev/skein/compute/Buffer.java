package dev.skein.compute;

/**
 * Activations of a step: up to {@code maxRows} rows of {@code columns} 32-bit floats, in a backend's memory. How many
 * rows count follows from the step's inputs. Owned by the backend that made it and closed with it.
 */
public interface Buffer {
    int maxRows();

    int columns();
}
