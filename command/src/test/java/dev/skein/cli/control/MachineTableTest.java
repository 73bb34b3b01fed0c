package dev.skein.cli.control;

import static org.assertj.core.api.Assertions.assertThat;

import dev.skein.protocol.v1.Gpu;
import dev.skein.protocol.v1.Machine;
import dev.skein.protocol.v1.Machines;
import org.junit.jupiter.api.Test;

class MachineTableTest {

    @Test
    void tellsOfEachMachineWhatItHasAndGives() {
        Machine first = Machine.newBuilder()
                .setName("10.0.0.1:7070")
                .setVotes(true)
                .setDecides(true)
                .setSilentMillis(340)
                .setCores(8)
                .setOwnedCores(3)
                .setBytes(4L << 30)
                .setOwnedBytes(1L << 30)
                .putLabels("zone", "a")
                .putLabels("rack", "r1")
                .addGpus(Gpu.newBuilder().setId("0").setGroup("chat-0"))
                .addGpus(Gpu.newBuilder().setId("1"))
                .addGroups("chat-0")
                .build();
        Machine second = Machine.newBuilder().setName("10.0.0.2:7070").build();
        assertThat(MachineTable.text(Machines.newBuilder()
                                .addMachines(first)
                                .addMachines(second)
                                .build())
                        .lines()
                        .map(line -> line.strip().replaceAll(" {2,}", "|")))
                .containsExactly(
                        "MACHINE|ROLE|HEARD|CORES|MEMORY MIB|GPUS|LABELS|GROUPS",
                        "10.0.0.1:7070|decides|0.3 s ago|3/8|1024/4096|1/2|rack=r1,zone=a|chat-0",
                        "10.0.0.2:7070|follows|never|-|-|-|-|-");
    }
}
