/**
 * Metrics under the names, types and buckets that vLLM's dashboards, autoscalers and routers read.
 *
 * <p>{@link dev.skein.gateway.metrics.RequestMetrics} is what the gateway sees of requests, {@link
 * dev.skein.gateway.metrics.EngineMetrics} what workers say of themselves when somebody asks, and {@link
 * dev.skein.gateway.metrics.HttpMetrics} the web layer. Older names that consumers still read are written beside the
 * new ones.
 */
@NullMarked
package dev.skein.gateway.metrics;

import org.jspecify.annotations.NullMarked;
