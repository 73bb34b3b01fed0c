package dev.skein.gateway.traffic;

import static org.assertj.core.api.Assertions.assertThat;

import dev.skein.gateway.GatewayOptions.SchedulerAddress;
import dev.skein.protocol.v1.Machines;
import io.vertx.core.Future;
import io.vertx.core.VerticleBase;
import io.vertx.core.Vertx;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class FleetTest {
    /** Whoever asks writes the answer with what belongs to its event loop alone. */
    @Test
    void machinesAreToldOnTheEventLoopThatAsked() throws Exception {
        Vertx vertx = Vertx.vertx();
        try (ServerSocket silent = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
                Fleet fleet = new Fleet(vertx, new SchedulerAddress("127.0.0.1", silent.getLocalPort(), null))) {
            Asker asker = new Asker(fleet);
            vertx.deployVerticle(asker);
            assertThat(asker.told.get(60, TimeUnit.SECONDS)).isEqualTo(Machines.getDefaultInstance());
            assertThat(asker.toldBy).isSameAs(asker.thread);
        } finally {
            vertx.close().toCompletionStage().toCompletableFuture().get(60, TimeUnit.SECONDS);
        }
    }

    private static final class Asker extends VerticleBase {
        private final Fleet fleet;
        private final CompletableFuture<Machines> told = new CompletableFuture<>();
        private volatile Thread thread = Thread.currentThread();
        private volatile Thread toldBy = thread;

        Asker(Fleet fleet) {
            this.fleet = fleet;
        }

        @Override
        public Future<?> start() {
            thread = Thread.currentThread();
            fleet.machines(50).onSuccess(machines -> {
                toldBy = Thread.currentThread();
                told.complete(machines);
            });
            return Future.succeededFuture();
        }
    }
}
