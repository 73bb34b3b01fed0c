package dev.skein.scheduler.agent;

import java.util.List;
import java.util.Map;

/// A machine: its name, where it stands, what it has.
///
/// @param name unique in the cluster; also the address at which others reach its ranks
/// @param labels level to domain, such as `rack` to `r7`; a level that is missing counts as one unnamed domain
public record Machine(String name, Map<String, String> labels, Devices devices) {
    /// From the widest to the narrowest; below them is the host.
    public static final List<String> LEVELS = List.of("zone", "block", "rack");

    public Machine {
        labels = Map.copyOf(labels);
    }

    /// Its domain at a level: the whole path down to it, since racks of two blocks may have one name.
    ///
    /// @param level index in [#LEVELS]; one more is the host, -1 the whole cluster
    public String domain(int level) {
        StringBuilder path = new StringBuilder();
        for (int i = 0; i <= level && i < LEVELS.size(); i++) {
            path.append('/').append(labels.getOrDefault(LEVELS.get(i), "-"));
        }
        return level >= LEVELS.size() ? path.append('/').append(name).toString() : path.toString();
    }
}
