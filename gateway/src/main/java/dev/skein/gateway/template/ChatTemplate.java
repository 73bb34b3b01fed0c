package dev.skein.gateway.template;

import java.time.Clock;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// A parsed chat template; immutable, and safe for any thread.
public final class ChatTemplate {
    private final List<Stmt> body;
    private final Limits limits;

    private ChatTemplate(List<Stmt> body, Limits limits) {
        this.body = body;
        this.limits = limits;
    }

    /// Parses a template.
    ///
    /// @throws TemplateException if it is not in the supported language; line and column tell where, the
    ///     message what was expected
    public static ChatTemplate parse(String source) {
        return parse(source, Limits.DEFAULT);
    }

    static ChatTemplate parse(String source, Limits limits) {
        try {
            return new ChatTemplate(Parser.parse(source, limits), limits);
        } catch (StackOverflowError _) {
            throw TemplateException.fault("the template is nested too deeply for this thread's stack");
        }
    }

    /// Renders the template.
    ///
    /// @param variables what the template can name. Values are `String`, `Boolean`, `Integer`, `Long`,
    ///     `BigInteger`, `Float`, `Double`, `List`, `Map` (its order is kept), and null for Python's None; a
    ///     name that is absent is undefined. They are copied first and never changed.
    /// @param clock the time and zone that `strftime_now` tells
    /// @throws TemplateException if the template raises an exception itself
    ///     ([TemplateException#raisedByTemplate()]), does what Python would refuse, or exceeds its bounds
    /// @throws IllegalArgumentException if a variable has another type than these
    public String render(Map<String, ?> variables, Clock clock) {
        var evaluator = new Evaluator(new Budget(limits), clock);
        try {
            return new Interpreter(evaluator).capture(body, new Scope(scope(variables, evaluator.budget())));
        } catch (TemplateException e) {
            throw e.at(evaluator.here());
        } catch (StackOverflowError _) {
            throw TemplateException.fault(
                    "the template is nested too deeply for this thread's stack", evaluator.here());
        }
    }

    private static Map<String, Object> scope(Map<String, ?> variables, Budget budget) {
        var inputs = new Inputs(budget);
        var scope = new HashMap<>(Globals.ALL);
        variables.forEach((name, value) -> scope.put(name, inputs.value(value)));
        return scope;
    }
}
