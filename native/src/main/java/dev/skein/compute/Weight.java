package dev.skein.compute;

/** A matrix in a backend's own layout and memory. Owned by the backend that made it and closed with it. */
public interface Weight {
    int rows();

    int columns();

    /** Bytes that it holds beside the model file's mapping. */
    long bytes();
}
