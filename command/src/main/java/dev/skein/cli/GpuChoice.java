package dev.skein.cli;

import dev.skein.compute.cuda.CudaDevice;
import dev.skein.scheduler.agent.Gpu;
import java.util.List;

/// Which of a machine's GPUs groups may own: `--gpus`.
///
/// @param most so many at most
/// @param ids of those; empty for any
record GpuChoice(int most, List<String> ids) {
    static final String ALL = "all";

    private static final String IDS = "ids=";

    /// @throws CommandException for what is neither a number nor a list of ids
    static GpuChoice of(String text) {
        if (text.equals(ALL)) {
            return new GpuChoice(Integer.MAX_VALUE, List.of());
        }
        if (text.matches("[0-9]{1,6}")) {
            return new GpuChoice(Integer.parseInt(text), List.of());
        }
        if (text.matches(IDS + "[^,\\s]+(,[^,\\s]+)*")) {
            return new GpuChoice(
                    Integer.MAX_VALUE, List.of(text.substring(IDS.length()).split(",")));
        }
        throw CommandException.usage("--gpus is '" + text + "'; write all, a number such as 2, or ids such as ids=0,3");
    }

    /// @throws CommandException if the machine has not as many, or not those
    List<Gpu> of(List<Gpu> found) {
        if (most != Integer.MAX_VALUE && most > found.size() || !ids(found).containsAll(ids)) {
            throw CommandException.usage("--gpus asks for "
                    + (ids.isEmpty() ? Integer.toString(most) : String.join(",", ids)) + "; this machine has "
                    + (found.isEmpty() ? "none that can be used" : String.join(",", ids(found))));
        }
        return found.stream()
                .filter(gpu -> ids.isEmpty() || ids.contains(gpu.id()))
                .limit(most)
                .toList();
    }

    private static List<String> ids(List<Gpu> gpus) {
        return gpus.stream().map(Gpu::id).toList();
    }

    /// The devices as a child of this process must name them to see them.
    ///
    /// @param visible what `CUDA_VISIBLE_DEVICES` says to this process, which has renumbered them; may be empty
    static List<Gpu> named(List<CudaDevice> devices, String visible) {
        String[] names = visible.isBlank() ? new String[0] : visible.split(",");
        return devices.stream()
                .map(device -> new Gpu(
                        device.ordinal() < names.length
                                ? names[device.ordinal()].strip()
                                : Integer.toString(device.ordinal()),
                        device.name(),
                        device.bytes()))
                .toList();
    }
}
