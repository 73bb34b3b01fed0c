package dev.skein.gateway.template;

/// Something a template can call: a macro, a global function, a method of a value.
///
/// @param name as it prints
/// @param body what a call does
record Function(String name, Body body) {
    @FunctionalInterface
    interface Body {
        Object call(Args args, Evaluator run);
    }
}
