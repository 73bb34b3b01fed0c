package dev.skein.gateway.traffic;

/**
 * What groups have in common that can go on with each other's answers.
 *
 * @param deployment whose groups they are
 * @param model a checksum of weights, limits and vocabulary
 */
public record Dialect(String deployment, long model) {}
