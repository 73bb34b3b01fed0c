package dev.skein.gateway.traffic;

/**
 * What is left to do of a request.
 *
 * @param prompt tokens to compute before its first token
 * @param answer tokens that its answer stands for
 */
record Work(long prompt, long answer) {
    static final Work NONE = new Work(0, 0);
}
