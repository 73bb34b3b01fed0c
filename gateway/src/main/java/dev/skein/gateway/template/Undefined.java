package dev.skein.gateway.template;

/// A value that is not there. It prints as nothing, is false and empty, and raises `reason` on any other use.
///
/// @param reason what is missing, said when the value is used
record Undefined(String reason) {
    TemplateException fault() {
        return TemplateException.fault(reason);
    }
}
