package dev.skein.gateway.template;

import java.util.List;

/// What `keys()`, `values()` and `items()` of a dict return: iterable, sized, without index.
///
/// @param kind its Python name, such as `dict_keys`
record DictView(String kind, List<Object> items) {}
