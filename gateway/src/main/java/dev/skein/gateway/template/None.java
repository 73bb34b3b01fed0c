package dev.skein.gateway.template;

/// Python's None; Java's null never appears inside a render.
enum None {
    NONE
}
