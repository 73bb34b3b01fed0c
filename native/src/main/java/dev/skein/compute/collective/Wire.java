package dev.skein.compute.collective;

import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;

/** Bytes to and from another rank, none of whose methods waits. */
interface Wire extends Closeable {
    /** As of a channel that does not block: takes what it can now, and holds back at most what {@link #flush} then sends. */
    int write(ByteBuffer from) throws IOException;

    /** Sends what is held back. Whether nothing is any more. */
    boolean flush() throws IOException;

    /** As of a channel that does not block: -1 at the end. */
    int read(ByteBuffer into) throws IOException;

    /** Says that nothing more will be sent; what was sent still arrives. */
    void finish() throws IOException;

    /** The connection as it is. */
    record Plain(SocketChannel channel) implements Wire {
        @Override
        public int write(ByteBuffer from) throws IOException {
            return channel.write(from);
        }

        @Override
        public boolean flush() {
            return true;
        }

        @Override
        public int read(ByteBuffer into) throws IOException {
            return channel.read(into);
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
}
