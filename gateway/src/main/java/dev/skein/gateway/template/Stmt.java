package dev.skein.gateway.template;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// A statement of a template.
sealed interface Stmt {
    record Data(String text) implements Stmt {}

    record Print(Expr value, Position at) implements Stmt {}

    record If(List<Branch> branches, List<Stmt> otherwise) implements Stmt {}

    record For(
            Target target,
            Expr iterable,
            @Nullable Expr filter,
            boolean recursive,
            List<Stmt> body,
            List<Stmt> otherwise,
            Position at)
            implements Stmt {}

    record Assign(Target target, Expr value, Position at) implements Stmt {}

    /// `{% set x %}...{% endset %}`; the filter's innermost input is [Parser#CAPTURED].
    record AssignBlock(Target target, Expr value, List<Stmt> body, Position at) implements Stmt {}

    record Macro(String name, Signature signature, List<Stmt> body) implements Stmt {}

    record CallBlock(Expr.Call call, Signature signature, List<Stmt> body, Position at) implements Stmt {}

    record FilterBlock(Expr value, List<Stmt> body, Position at) implements Stmt {}

    /// `{% generation %}`: printed as is, but names set inside stay inside.
    record Generation(List<Stmt> body) implements Stmt {}

    record With(List<Target> targets, List<Expr> values, List<Stmt> body, Position at) implements Stmt {}

    record Do(Expr value) implements Stmt {}

    record Break() implements Stmt {}

    record Continue() implements Stmt {}

    record Branch(Expr test, List<Stmt> body) {}

    /// Parameters of a macro; the last `defaults.size()` of them have defaults.
    record Signature(
            List<String> parameters, List<Expr> defaults, boolean takesCaller, boolean takesRest, boolean takesNamed) {}

    /// What can stand left of an assignment.
    sealed interface Target {
        record Variable(String name) implements Target {}

        record NamespaceField(String namespace, String field) implements Target {}

        record Unpack(List<Target> targets) implements Target {}
    }
}
