package dev.skein.scheduler.cluster;

import dev.skein.scheduler.lifecycle.Event;

/// What was seen of a rank's process on one machine.
///
/// @param key the revision that the group was made of
record RankNews(String group, long epoch, String key, Event event) {}
