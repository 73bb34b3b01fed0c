package dev.skein.worker.service;

import dev.skein.compute.DeviceGauges;
import dev.skein.protocol.v1.ModelCard;
import dev.skein.protocol.v1.TokenizerModel;
import io.vertx.core.Future;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * What can be said of a model before its weights are there.
 *
 * @param device how what computes it is, where something tells; may take milliseconds, on any thread
 */
public record Served(ModelCard card, Future<TokenizerModel> tokenizer, Supplier<Optional<DeviceGauges>> device) {}
