package dev.skein.gateway.template;

import java.util.LinkedHashMap;
import java.util.Map;

/// A macro, or the body of a call block, with the scope it was written in.
final class MacroFunction {
    private final Stmt.Macro macro;
    private final Scope closure;
    private final Interpreter interpreter;

    MacroFunction(Stmt.Macro macro, Scope closure, Interpreter interpreter) {
        this.macro = macro;
        this.closure = closure;
        this.interpreter = interpreter;
    }

    String name() {
        return macro.name();
    }

    Object attribute(String name) {
        return switch (name) {
            case "name" -> macro.name();
            case "arguments" ->
                new Tuple(macro.signature().parameters().stream()
                        .map(Object.class::cast)
                        .toList());
            case "caller" -> macro.signature().takesCaller();
            case "catch_varargs" -> macro.signature().takesRest();
            case "catch_kwargs" -> macro.signature().takesNamed();
            default -> new Undefined("a macro has no attribute '" + name + "'");
        };
    }

    String call(Args args) {
        var scope = new Scope(closure);
        var named = new LinkedHashMap<>(args.named());
        var signature = macro.signature();
        bindParameters(args, named, scope);
        if (signature.takesCaller()) {
            var caller = named.remove("caller");
            scope.set("caller", caller == null ? new Undefined("no caller is defined") : caller);
        }
        bindRest(args, named, scope);
        return interpreter.capture(macro.body(), scope);
    }

    private void bindParameters(Args args, Map<String, Object> named, Scope scope) {
        var parameters = macro.signature().parameters();
        int required = parameters.size() - macro.signature().defaults().size();
        for (int i = 0; i < parameters.size(); i++) {
            var name = parameters.get(i);
            var value = i < args.positional().size() ? args.positional().get(i) : named.remove(name);
            if (value == null) {
                value = i < required
                        ? new Undefined("parameter '" + name + "' was not provided")
                        : interpreter.evaluate(macro.signature().defaults().get(i - required), scope);
            }
            scope.set(name, value);
        }
    }

    private void bindRest(Args args, Map<String, Object> named, Scope scope) {
        var signature = macro.signature();
        int count = signature.parameters().size();
        var rest = args.positional()
                .subList(
                        Math.min(count, args.positional().size()),
                        args.positional().size());
        if (signature.takesNamed()) {
            scope.set("kwargs", named);
        } else if (!named.isEmpty()) {
            throw TemplateException.fault("macro '" + macro.name() + "' takes no argument named "
                    + named.keySet().iterator().next());
        }
        if (signature.takesRest()) {
            scope.set("varargs", new Tuple(rest));
        } else if (!rest.isEmpty()) {
            throw TemplateException.fault("macro '" + macro.name() + "' takes at most " + count + " arguments");
        }
    }
}
