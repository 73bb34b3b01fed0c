package dev.skein.gateway;

import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.handler.codec.http.HttpContent;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.util.ReferenceCountUtil;
import io.vertx.core.http.HttpConnection;
import io.vertx.core.net.impl.ConnectionBase;

/**
 * Stands before Vert.x's own handler of a connection, which closes it without a word where a body is not framed as HTTP
 * says, such as a chunk whose length is no number.
 */
final class FramingGuard extends ChannelInboundHandlerAdapter {
    private final Runnable broken;

    private FramingGuard(Runnable broken) {
        this.broken = broken;
    }

    /** Runs {@code broken}, on the connection's event loop, when no more of a body can be read. */
    static void watch(HttpConnection connection, Runnable broken) {
        if (connection instanceof ConnectionBase netty) {
            ChannelHandlerContext handler = netty.channelHandlerContext();
            handler.pipeline().addBefore(handler.name(), "framing", new FramingGuard(broken));
        }
    }

    @Override
    public void channelRead(ChannelHandlerContext context, Object message) {
        // A request whose head is broken comes as one message, and Vert.x hands that on.
        boolean body = message instanceof HttpContent && !(message instanceof HttpRequest);
        if (body && ((HttpContent) message).decoderResult().isFailure()) {
            ReferenceCountUtil.release(message);
            broken.run();
        } else {
            context.fireChannelRead(message);
        }
    }
}
