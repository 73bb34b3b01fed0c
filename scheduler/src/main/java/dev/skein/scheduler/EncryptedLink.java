package dev.skein.scheduler;

import com.hazelcast.internal.networking.HandlerStatus;
import com.hazelcast.internal.networking.InboundHandler;
import com.hazelcast.internal.networking.OutboundHandler;
import com.hazelcast.internal.nio.IOUtil;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLEngineResult;
import javax.net.ssl.SSLEngineResult.HandshakeStatus;
import javax.net.ssl.SSLParameters;

/// TLS of one connection between Hazelcast's members: first hands are shaken on the socket, which blocks, then a
/// handler in each of the channel's pipelines decrypts or encrypts.
///
/// The handshake reads whole records and not a byte more, so nothing of it is left when the handlers begin. They may
/// run on two threads, which the engine allows.
final class EncryptedLink {
    private static final String[] PROTOCOLS = {"TLSv1.3"};
    private static final ByteBuffer NOTHING = ByteBuffer.allocate(0);
    private static final long LIMIT_SECONDS = 5;

    /// Of a record: its kind, a version, and the length of what follows.
    private static final int HEADER = 5;

    private static final int LENGTH_AT = 3;

    private final SSLEngine engine;
    private final int recordBytes;

    private EncryptedLink(SSLEngine engine) {
        this.engine = engine;
        this.recordBytes = engine.getSession().getPacketBufferSize();
    }

    /// For who was dialled: the other must show a certificate.
    static EncryptedLink accepting(SSLContext context) {
        SSLEngine engine = context.createSSLEngine();
        engine.setUseClientMode(false);
        SSLParameters parameters = engine.getSSLParameters();
        parameters.setNeedClientAuth(true);
        return of(engine, parameters);
    }

    /// For who dials: the other must show a certificate for that host.
    static EncryptedLink connecting(SSLContext context, String host) {
        SSLEngine engine = context.createSSLEngine(host, -1);
        engine.setUseClientMode(true);
        SSLParameters parameters = engine.getSSLParameters();
        parameters.setEndpointIdentificationAlgorithm("HTTPS");
        return of(engine, parameters);
    }

    private static EncryptedLink of(SSLEngine engine, SSLParameters parameters) {
        parameters.setProtocols(PROTOCOLS);
        engine.setSSLParameters(parameters);
        return new EncryptedLink(engine);
    }

    /// @throws IOException if the other is not trusted, does not trust this, or takes too long
    void shakeHands(Socket socket) throws IOException {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(LIMIT_SECONDS);
        ByteBuffer encrypted = ByteBuffer.allocate(recordBytes);
        ByteBuffer plain = ByteBuffer.allocate(engine.getSession().getApplicationBufferSize());
        engine.beginHandshake();
        while (engine.getHandshakeStatus() != HandshakeStatus.NOT_HANDSHAKING) {
            switch (engine.getHandshakeStatus()) {
                case NEED_TASK -> runTasks();
                case NEED_WRAP -> {
                    engine.wrap(NOTHING, encrypted.clear());
                    socket.getOutputStream().write(encrypted.array(), 0, encrypted.position());
                }
                default -> {
                    readRecord(socket, encrypted.clear(), end);
                    requireOpen(engine.unwrap(encrypted.flip(), plain.clear()));
                }
            }
        }
        socket.setSoTimeout(0);
    }

    private void readRecord(Socket socket, ByteBuffer into, long end) throws IOException {
        read(socket, into, HEADER, end);
        int length = Short.toUnsignedInt(into.getShort(LENGTH_AT));
        if (length > into.remaining()) {
            throw new IOException("it does not speak TLS");
        }
        read(socket, into, length, end);
    }

    /// Bytes that drip in do not make the limit longer.
    private static void read(Socket socket, ByteBuffer into, int count, long end) throws IOException {
        InputStream in = socket.getInputStream();
        int until = into.position() + count;
        while (into.position() < until) {
            long left = TimeUnit.NANOSECONDS.toMillis(end - System.nanoTime());
            if (left <= 0) {
                throw new SocketTimeoutException("no TLS within %d s".formatted(LIMIT_SECONDS));
            }
            socket.setSoTimeout((int) left);
            int taken = in.read(into.array(), into.position(), until - into.position());
            if (taken < 0) {
                throw new EOFException("it hung up during the handshake");
            }
            into.position(into.position() + taken);
        }
    }

    private void runTasks() {
        for (Runnable task = engine.getDelegatedTask(); task != null; task = engine.getDelegatedTask()) {
            task.run();
        }
    }

    private static void requireOpen(SSLEngineResult result) throws IOException {
        if (result.getStatus() == SSLEngineResult.Status.CLOSED) {
            throw new EOFException("it closed TLS");
        }
    }

    /// For the beginning of what comes in.
    InboundHandler<ByteBuffer, ByteBuffer> decoder() {
        return new Decoder();
    }

    /// For the end of what goes out.
    OutboundHandler<ByteBuffer, ByteBuffer> encoder() {
        return new Encoder();
    }

    /// Between calls `src` and `dst` are as after a write.
    private final class Decoder extends InboundHandler<ByteBuffer, ByteBuffer> {
        /// Decrypted and not handed on; between position and limit.
        private final ByteBuffer plain = ByteBuffer.allocate(engine.getSession().getApplicationBufferSize())
                .flip();

        @Override
        public void handlerAdded() {
            initSrcBuffer(2 * recordBytes);
        }

        @Override
        public HandlerStatus onRead() throws IOException {
            src.flip();
            try {
                while (isHandedOn() && isDecrypted()) {
                    // the next record
                }
                return plain.hasRemaining() ? HandlerStatus.DIRTY : HandlerStatus.CLEAN;
            } finally {
                IOUtil.compactOrClear(src);
            }
        }

        /// Whether the next handler had room for all that is decrypted.
        private boolean isHandedOn() {
            int length = Math.min(plain.remaining(), dst.remaining());
            dst.put(dst.position(), plain, plain.position(), length);
            dst.position(dst.position() + length);
            plain.position(plain.position() + length);
            return !plain.hasRemaining();
        }

        /// Whether there was a whole record.
        private boolean isDecrypted() throws IOException {
            if (!src.hasRemaining()) {
                return false;
            }
            SSLEngineResult result = engine.unwrap(src, plain.clear());
            plain.flip();
            requireOpen(result);
            if (result.getHandshakeStatus() == HandshakeStatus.NEED_TASK) {
                runTasks();
            }
            if (engine.getHandshakeStatus() == HandshakeStatus.NEED_WRAP) {
                // New keys: the other end waits for an answer.
                channel.outboundPipeline().wakeup();
            }
            return result.getStatus() == SSLEngineResult.Status.OK;
        }
    }

    /// Between calls `src` and `dst` are as before a read.
    private final class Encoder extends OutboundHandler<ByteBuffer, ByteBuffer> {

        @Override
        public void handlerAdded() {
            initDstBuffer(2 * recordBytes);
        }

        @Override
        public HandlerStatus onWrite() throws IOException {
            IOUtil.compactOrClear(dst);
            try {
                while (isNeeded() && dst.remaining() >= recordBytes) {
                    requireOpen(engine.wrap(src, dst));
                }
                return src.hasRemaining() ? HandlerStatus.DIRTY : HandlerStatus.CLEAN;
            } finally {
                dst.flip();
            }
        }

        private boolean isNeeded() {
            return src.hasRemaining() || engine.getHandshakeStatus() == HandshakeStatus.NEED_WRAP;
        }
    }
}
