package dev.skein.compute.collective;

import java.io.EOFException;
import java.io.IOException;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.util.concurrent.locks.LockSupport;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLEngineResult;
import javax.net.ssl.SSLEngineResult.HandshakeStatus;
import javax.net.ssl.SSLParameters;

/**
 * A connection that is encrypted, with certificates on both sides. Java's engine allocates a little for each record, so calls
 * over it do too.
 */
final class TlsWire implements Wire {
    private static final ByteBuffer NOTHING = ByteBuffer.allocate(0);
    private static final long NAP_NANOS = 100_000;
    private static final String[] PROTOCOLS = {"TLSv1.3"};

    private final SocketChannel channel;
    private final SSLEngine engine;
    /** Encrypted, to be sent; between position and limit. */
    private final ByteBuffer out;
    /** Encrypted, as it came; between position and limit. */
    private final ByteBuffer in;
    /** What came and found no room where it was to go; between position and limit. */
    private final ByteBuffer plain;

    private TlsWire(SocketChannel channel, SSLEngine engine) {
        this.channel = channel;
        this.engine = engine;
        int packet = engine.getSession().getPacketBufferSize();
        out = ByteBuffer.allocateDirect(packet).flip();
        in = ByteBuffer.allocateDirect(2 * packet).flip();
        plain = ByteBuffer.allocateDirect(engine.getSession().getApplicationBufferSize())
                .flip();
    }

    /**
     * Shakes hands.
     *
     * @param channel that does not block
     * @param connecting whether this end connected to the other
     * @throws IOException if the other's certificate is not trusted, or it has none
     */
    static TlsWire open(SocketChannel channel, SSLContext context, boolean connecting, long limitNanos)
            throws IOException {
        SSLEngine engine = context.createSSLEngine();
        engine.setUseClientMode(connecting);
        SSLParameters parameters = engine.getSSLParameters();
        parameters.setProtocols(PROTOCOLS);
        parameters.setNeedClientAuth(true);
        engine.setSSLParameters(parameters);
        TlsWire wire = new TlsWire(channel, engine);
        wire.shakeHands(limitNanos);
        return wire;
    }

    private void shakeHands(long limitNanos) throws IOException {
        long start = System.nanoTime();
        engine.beginHandshake();
        while (isShaking()) {
            if (!step()) {
                if (System.nanoTime() - start > limitNanos) {
                    throw new SocketTimeoutException("no TLS within %d ms".formatted(limitNanos / 1_000_000));
                }
                LockSupport.parkNanos(NAP_NANOS);
            }
        }
    }

    private boolean isShaking() {
        return out.hasRemaining() || engine.getHandshakeStatus() != HandshakeStatus.NOT_HANDSHAKING;
    }

    /** Whether there was anything to do. */
    private boolean step() throws IOException {
        if (out.hasRemaining()) {
            return channel.write(out) > 0;
        }
        return switch (engine.getHandshakeStatus()) {
            case NEED_TASK -> runTasks();
            case NEED_WRAP -> wrap(NOTHING);
            default -> receive();
        };
    }

    private boolean receive() throws IOException {
        if (unwrap(plain.compact())) {
            plain.flip();
            return true;
        }
        plain.flip();
        int taken = take();
        if (taken < 0) {
            throw new EOFException("the other hung up during the handshake of TLS");
        }
        return taken > 0;
    }

    private boolean runTasks() {
        for (Runnable task = engine.getDelegatedTask(); task != null; task = engine.getDelegatedTask()) {
            task.run();
        }
        return true;
    }

    // Sending

    @Override
    public int write(ByteBuffer from) throws IOException {
        int before = from.remaining();
        while (flush() && from.hasRemaining() && wrap(from)) {
            // the next record
        }
        return before - from.remaining();
    }

    @Override
    public boolean flush() throws IOException {
        if (out.hasRemaining()) {
            channel.write(out);
        }
        return !out.hasRemaining();
    }

    private boolean wrap(ByteBuffer from) throws IOException {
        out.clear();
        SSLEngineResult result = engine.wrap(from, out);
        out.flip();
        if (result.getStatus() == SSLEngineResult.Status.CLOSED && !out.hasRemaining()) {
            throw new EOFException("TLS is closed");
        }
        return true;
    }

    // Receiving

    @Override
    public int read(ByteBuffer into) throws IOException {
        int start = into.position();
        int taken;
        do {
            while (moveOut(into) && into.hasRemaining() && unwrapInto(into)) {
                // the next record
            }
            taken = into.hasRemaining() ? take() : 0;
        } while (taken > 0);
        answer();
        int length = into.position() - start;
        return length == 0 && taken < 0 ? -1 : length;
    }

    /** Whether nothing is left that came before. */
    private boolean moveOut(ByteBuffer into) {
        int length = Math.min(plain.remaining(), into.remaining());
        into.put(into.position(), plain, plain.position(), length);
        into.position(into.position() + length);
        plain.position(plain.position() + length);
        return !plain.hasRemaining();
    }

    private boolean unwrapInto(ByteBuffer into) throws IOException {
        if (into.remaining() >= plain.capacity()) {
            return unwrap(into);
        }
        boolean unwrapped = unwrap(plain.clear());
        plain.flip();
        return unwrapped;
    }

    /** Whether there was a whole record. */
    private boolean unwrap(ByteBuffer into) throws IOException {
        if (!in.hasRemaining()) {
            return false;
        }
        SSLEngineResult result = engine.unwrap(in, into);
        if (result.getHandshakeStatus() == HandshakeStatus.NEED_TASK) {
            runTasks();
        }
        return switch (result.getStatus()) {
            case OK -> result.bytesConsumed() > 0;
            case CLOSED -> false;
            case BUFFER_UNDERFLOW -> false;
            case BUFFER_OVERFLOW -> throw new IOException("a record of TLS is too long");
        };
    }

    /** New keys, when the other asks for them. */
    private void answer() throws IOException {
        if (engine.getHandshakeStatus() == HandshakeStatus.NEED_WRAP && flush()) {
            wrap(NOTHING);
        }
    }

    private int take() throws IOException {
        in.compact();
        try {
            return channel.read(in);
        } finally {
            in.flip();
        }
    }

    @Override
    public void finish() throws IOException {
        channel.shutdownOutput();
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
