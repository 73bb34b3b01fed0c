package dev.skein.worker.service;

import dev.skein.compute.DeviceGauges;
import dev.skein.compute.KvCache;
import dev.skein.protocol.v1.BadWord;
import dev.skein.protocol.v1.DeviceStatistics;
import dev.skein.protocol.v1.EmbedRequest;
import dev.skein.protocol.v1.EmbedResponse;
import dev.skein.protocol.v1.Finish;
import dev.skein.protocol.v1.FinishReason;
import dev.skein.protocol.v1.GenerateRequest;
import dev.skein.protocol.v1.Logprobs;
import dev.skein.protocol.v1.SamplingParameters;
import dev.skein.protocol.v1.SpeculationStatistics;
import dev.skein.protocol.v1.StatisticsResponse;
import dev.skein.protocol.v1.Token;
import dev.skein.protocol.v1.TokenIds;
import dev.skein.protocol.v1.Vector;
import dev.skein.worker.engine.Completion;
import dev.skein.worker.engine.EmbeddingRequest;
import dev.skein.worker.engine.Engine;
import dev.skein.worker.engine.EngineException;
import dev.skein.worker.engine.EngineStatistics;
import dev.skein.worker.engine.GenerationRequest;
import dev.skein.worker.engine.Sampling;
import dev.skein.worker.engine.StepLoop;
import dev.skein.worker.engine.TokenLogprobs;
import io.vertx.grpc.common.GrpcStatus;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/** Between the wire's messages and the engine's records. */
final class Messages {
    private Messages() {}

    /**
     * The engine's request.
     *
     * @throws EngineException if a value is out of range
     */
    static GenerationRequest request(GenerateRequest message) {
        if (!message.hasSampling()) {
            throw new EngineException(EngineException.Code.INVALID_ARGUMENT, "sampling is missing");
        }
        int[] prompt = new int[message.getPromptCount()];
        for (int i = 0; i < prompt.length; i++) {
            prompt[i] = message.getPrompt(i);
        }
        return new GenerationRequest(
                message.getRequestId(),
                prompt,
                message.getResumed(),
                sampling(message.getSampling()),
                message.getMaxTokens(),
                message.getPriority(),
                message.getCacheSalt());
    }

    private static Sampling sampling(SamplingParameters message) {
        return new Sampling(
                message.getTemperature(),
                message.getTopK(),
                message.getTopP(),
                message.getMinP(),
                message.getRepetitionPenalty(),
                message.getFrequencyPenalty(),
                message.getPresencePenalty(),
                message.hasSeed() ? OptionalLong.of(message.getSeed()) : OptionalLong.empty(),
                message.getLogitBiasMap(),
                message.getMinTokens(),
                message.getIgnoreEos(),
                message.getStopTokenIdsList(),
                message.hasLogprobs() ? OptionalInt.of(message.getLogprobs()) : OptionalInt.empty(),
                message.hasPromptLogprobs() ? OptionalInt.of(message.getPromptLogprobs()) : OptionalInt.empty(),
                message.getAllowedTokenIdsList(),
                message.getBadWordsList().stream().map(BadWord::getIdsList).toList());
    }

    /**
     * The engine's request for vectors.
     *
     * @throws EngineException if it has no texts, or an empty one
     */
    static EmbeddingRequest request(EmbedRequest message) {
        List<int[]> texts = new ArrayList<>(message.getTextsCount());
        for (TokenIds text : message.getTextsList()) {
            int[] ids = new int[text.getIdsCount()];
            for (int i = 0; i < ids.length; i++) {
                ids[i] = text.getIds(i);
            }
            texts.add(ids);
        }
        return new EmbeddingRequest(
                message.getRequestId(),
                texts,
                message.hasDimensions() ? OptionalInt.of(message.getDimensions()) : OptionalInt.empty(),
                message.hasNormalised() ? Optional.of(message.getNormalised()) : Optional.empty());
    }

    static EmbedResponse vectors(float[][] vectors, long queueNanos, long computeNanos) {
        EmbedResponse.Builder message =
                EmbedResponse.newBuilder().setQueueNanos(queueNanos).setComputeNanos(computeNanos);
        for (float[] vector : vectors) {
            Vector.Builder elements = Vector.newBuilder();
            for (float element : vector) {
                elements.addElements(element);
            }
            message.addVectors(elements);
        }
        return message.build();
    }

    static Token token(int id, @Nullable TokenLogprobs logprobs) {
        Token.Builder token = Token.newBuilder().setId(id);
        if (logprobs != null) {
            token.setLogprobs(logprobs(logprobs));
        }
        return token.build();
    }

    static Logprobs logprobs(TokenLogprobs logprobs) {
        Logprobs.Builder message =
                Logprobs.newBuilder().setLogprob(logprobs.logprob()).setRank(logprobs.rank());
        for (int k = 0; k < logprobs.topIds().length; k++) {
            message.addTopIds(logprobs.topIds()[k]).addTopLogprobs(logprobs.topLogprobs()[k]);
        }
        return message.build();
    }

    static Finish finish(Completion completion) {
        Finish.Builder finish = Finish.newBuilder()
                .setReason(reason(completion.reason()))
                .setQueueNanos(completion.queueNanos())
                .setPrefillNanos(completion.prefillNanos())
                .setDecodeNanos(completion.decodeNanos())
                .setPreemptions(completion.preemptions())
                .setCachedTokens(completion.cachedTokens());
        completion.stopTokenId().ifPresent(finish::setStopTokenId);
        return finish.build();
    }

    private static FinishReason reason(Completion.Reason reason) {
        return switch (reason) {
            case STOP -> FinishReason.FINISH_REASON_STOP;
            case LENGTH -> FinishReason.FINISH_REASON_LENGTH;
        };
    }

    static GrpcStatus status(EngineException.Code code) {
        return switch (code) {
            case INVALID_ARGUMENT -> GrpcStatus.INVALID_ARGUMENT;
            case RESOURCE_EXHAUSTED -> GrpcStatus.RESOURCE_EXHAUSTED;
            case UNAVAILABLE -> GrpcStatus.UNAVAILABLE;
            case INTERNAL -> GrpcStatus.INTERNAL;
        };
    }

    static StatisticsResponse statistics(StepLoop engine, Optional<DeviceGauges> device) {
        EngineStatistics now = engine.statistics();
        StatisticsResponse.Builder message = StatisticsResponse.newBuilder()
                .setRunning((int) now.running())
                .setWaiting((int) now.waiting() + engine.unseen())
                .setBlocksUsed((int) now.blocksUsed())
                .setBlocksTotal(engine.blocks())
                .setBlockSize(KvCache.BLOCK_SIZE)
                .setPromptTokens(now.promptTokens())
                .setGenerationTokens(now.generationTokens())
                .setPreemptions(now.preemptions())
                .setSteps(now.steps())
                .setPrefixCacheQueries(now.prefixQueries())
                .setPrefixCacheHits(now.prefixHits())
                .setStepTokensSum(now.stepTokens());
        if (engine instanceof Engine generating && generating.options().speculation() != null) {
            message.setSpeculation(
                    speculation(now, generating.options().speculation().tokens()));
        }
        device.ifPresent(gauges -> message.setDevice(device(gauges)));
        for (int bucket = 0; bucket < now.stepBuckets(); bucket++) {
            message.addStepTokensBuckets(now.stepBucket(bucket));
        }
        return message.build();
    }

    private static DeviceStatistics device(DeviceGauges gauges) {
        return DeviceStatistics.newBuilder()
                .setBusy(gauges.busy())
                .setMemoryUsedBytes(gauges.memoryUsed())
                .setMemoryTotalBytes(gauges.memoryTotal())
                .setTemperatureCelsius(gauges.celsius())
                .setPowerWatts(gauges.watts())
                .build();
    }

    private static SpeculationStatistics speculation(EngineStatistics now, int places) {
        SpeculationStatistics.Builder message =
                SpeculationStatistics.newBuilder().setDrafts(now.drafts()).setDraftTokens(now.draftTokens());
        for (int place = 0; place < places; place++) {
            message.addAcceptedAt(now.acceptedAt(place));
        }
        return message.build();
    }
}
