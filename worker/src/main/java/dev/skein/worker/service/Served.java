package dev.skein.worker.service;

import dev.skein.protocol.v1.ModelCard;
import dev.skein.protocol.v1.TokenizerModel;
import io.vertx.core.Future;

/** What can be said of a model before its weights are there. */
public record Served(ModelCard card, Future<TokenizerModel> tokenizer) {}
