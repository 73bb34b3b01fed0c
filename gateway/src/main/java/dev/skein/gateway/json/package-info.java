/**
 * JSON in and out, without binding to classes: bodies become plain maps, lists, strings and numbers, which is also what
 * a chat template reads; answers are written field by field into one buffer that is used again.
 */
@NullMarked
package dev.skein.gateway.json;

import org.jspecify.annotations.NullMarked;
