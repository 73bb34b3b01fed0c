/**
 * OpenAI's requests, answers and errors, with what vLLM adds to them.
 *
 * <p>A body is read into {@link dev.skein.gateway.openai.ChatRequest} or {@link
 * dev.skein.gateway.openai.CompletionRequest}; both hold a {@link dev.skein.gateway.openai.Decoding}, which is how the
 * ids are to be chosen and shown. What cannot be read is an {@link dev.skein.gateway.openai.ApiException}: wrong types
 * are collected and counted, wrong values are told one at a time with the field's name. Fields that nobody knows are let
 * through, as SDKs send new ones; fields that are known and not served yet are refused by name
 * ({@link dev.skein.gateway.openai.Refusals}), never ignored.
 *
 * <p>Answers are written by {@link dev.skein.gateway.openai.ChatAnswers} and {@link
 * dev.skein.gateway.openai.CompletionAnswers}; a chunk holds exactly the keys that vLLM writes at that place.
 */
@NullMarked
package dev.skein.gateway.openai;

import org.jspecify.annotations.NullMarked;
