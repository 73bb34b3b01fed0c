package dev.skein.compute;

/** The gate, up and down matrices of all experts of a layer in a backend's layout. Closed with the backend. */
public interface ExpertWeights {
    /** How many there are. */
    int count();

    /** Elements of a row that goes in, and of what comes back. */
    int hidden();

    /** Elements between gate and down. */
    int inner();

    /** Memory taken. */
    long bytes();
}
