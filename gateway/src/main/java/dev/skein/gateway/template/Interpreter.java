package dev.skein.gateway.template;

import dev.skein.gateway.template.Stmt.Target;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Runs statements. One for each render, confined to its thread.
final class Interpreter {
    private enum Flow {
        NORMAL,
        BREAK,
        CONTINUE
    }

    private final Evaluator evaluator;
    private final Budget budget;
    private StringBuilder out = new StringBuilder();

    Interpreter(Evaluator evaluator) {
        this.evaluator = evaluator;
        this.budget = evaluator.budget();
    }

    /// Runs a body and returns what it prints.
    String capture(List<Stmt> body, Scope scope) {
        var outer = out;
        out = new StringBuilder();
        run(body, scope);
        var text = out.toString();
        out = outer;
        return text;
    }

    Object evaluate(Expr expr, Scope scope) {
        return evaluator.evaluate(expr, scope);
    }

    private void print(String text) {
        budget.checkOutput((long) out.length() + text.length());
        budget.chars(text.length());
        out.append(text);
    }

    private void print(Stmt.Print print, Scope scope) {
        evaluator.at(print.at());
        print(Repr.str(evaluate(print.value(), scope), budget));
    }

    private Flow run(List<Stmt> statements, Scope scope) {
        budget.enter();
        var flow = Flow.NORMAL;
        for (int i = 0; i < statements.size() && flow == Flow.NORMAL; i++) {
            budget.step();
            flow = run(statements.get(i), scope);
        }
        budget.leave();
        return flow;
    }

    private Flow run(Stmt statement, Scope scope) {
        return switch (statement) {
            case Stmt.Data data -> done(() -> print(data.text()));
            case Stmt.Print print -> done(() -> print(print, scope));
            case Stmt.If condition -> condition(condition, scope);
            case Stmt.For loop -> loop(loop, scope);
            case Stmt.Assign assign -> done(() -> assign(assign, scope));
            case Stmt.AssignBlock block -> assignBlock(block, scope);
            case Stmt.Macro macro -> done(() -> scope.set(macro.name(), new MacroFunction(macro, scope, this)));
            case Stmt.CallBlock block -> done(() -> callBlock(block, scope));
            case Stmt.FilterBlock block -> filterBlock(block, scope);
            case Stmt.Generation generation -> run(generation.body(), new Scope(scope));
            case Stmt.With with -> with(with, scope);
            case Stmt.Do discard -> done(() -> evaluate(discard.value(), scope));
            case Stmt.Break _ -> Flow.BREAK;
            case Stmt.Continue _ -> Flow.CONTINUE;
        };
    }

    private static Flow done(Runnable action) {
        action.run();
        return Flow.NORMAL;
    }

    private Flow condition(Stmt.If condition, Scope scope) {
        for (var branch : condition.branches()) {
            if (evaluator.truth(branch.test(), scope)) {
                return run(branch.body(), scope);
            }
        }
        return run(condition.otherwise(), scope);
    }

    private void assign(Stmt.Assign assign, Scope scope) {
        var value = evaluator.marked(assign.value(), scope);
        evaluator.at(assign.at());
        assign(assign.target(), value, scope);
    }

    private void assign(Target target, Object value, Scope scope) {
        switch (target) {
            case Target.Variable variable -> scope.set(variable.name(), value);
            case Target.NamespaceField field -> {
                if (!(scope.find(field.namespace()) instanceof Namespace namespace)) {
                    throw TemplateException.fault(
                            "'" + field.namespace() + "' is not a namespace(), its fields are fixed");
                }
                budget.elements(1);
                namespace.fields().put(field.field(), value);
            }
            case Target.Unpack unpack -> unpack(unpack.targets(), value, scope);
        }
    }

    private void unpack(List<Target> targets, Object value, Scope scope) {
        var items = evaluator.operators().list(Markup.plain(value));
        if (items.size() != targets.size()) {
            throw TemplateException.fault(
                    "cannot unpack " + items.size() + " values into " + targets.size() + " names");
        }
        for (int i = 0; i < items.size(); i++) {
            assign(targets.get(i), items.get(i), scope);
        }
    }

    private Flow loop(Stmt.For loop, Scope scope) {
        var iterable = evaluate(loop.iterable(), scope);
        evaluator.at(loop.at());
        return iterate(loop, scope, iterable, 0);
    }

    private Flow iterate(Stmt.For loop, Scope scope, Object iterable, long depth0) {
        var state = state(loop, scope, iterable, depth0);
        boolean completed = false;
        while (state.hasNext()) {
            var inner = new Scope(scope);
            assign(loop.target(), state.next(), inner);
            inner.set("loop", state);
            var flow = run(loop.body(), inner);
            if (flow == Flow.BREAK) {
                break;
            }
            completed |= flow == Flow.NORMAL;
        }
        // As in Jinja: `else` runs unless one turn came to its end, so also when the first ended by `break`.
        return completed ? Flow.NORMAL : run(loop.otherwise(), new Scope(scope));
    }

    private LoopState state(Stmt.For loop, Scope scope, Object iterable, long depth0) {
        var items = evaluator.operators().iterate(iterable);
        var filter = loop.filter();
        var length = evaluator.operators().size(iterable);
        if (filter != null) {
            items = Generator.filtering(items, item -> chosen(loop.target(), filter, item, scope))
                    .iterator();
            length = -1;
        }
        return new LoopState(items, length, recursion(loop, scope), depth0);
    }

    private boolean chosen(Target target, Expr filter, Object item, Scope scope) {
        var inner = new Scope(scope);
        assign(target, item, inner);
        return evaluator.truth(filter, inner);
    }

    private LoopState.@Nullable Recursion recursion(Stmt.For loop, Scope scope) {
        if (!loop.recursive()) {
            return null;
        }
        return (iterable, depth0) -> {
            var outer = out;
            out = new StringBuilder();
            iterate(loop, scope, iterable, depth0);
            var text = out.toString();
            out = outer;
            return text;
        };
    }

    /// What a block prints goes to a variable of its own scope, where its filters find it.
    private Flow captured(List<Stmt> body, Scope inner) {
        var outer = out;
        out = new StringBuilder();
        var flow = run(body, inner);
        inner.set(Parser.CAPTURED, out.toString());
        out = outer;
        return flow;
    }

    private Flow assignBlock(Stmt.AssignBlock block, Scope scope) {
        var inner = new Scope(scope);
        var flow = captured(block.body(), inner);
        if (flow == Flow.NORMAL) {
            var value = evaluator.marked(block.value(), inner);
            evaluator.at(block.at());
            assign(block.target(), value, scope);
        }
        return flow;
    }

    private Flow filterBlock(Stmt.FilterBlock block, Scope scope) {
        var inner = new Scope(scope);
        var flow = captured(block.body(), inner);
        if (flow == Flow.NORMAL) {
            print(Repr.str(evaluate(block.value(), inner), budget));
        }
        return flow;
    }

    private void callBlock(Stmt.CallBlock block, Scope scope) {
        var body = new Stmt.Macro("caller", block.signature(), block.body());
        var caller = new MacroFunction(body, scope, this);
        print(Repr.str(evaluator.call(block.call(), Map.of("caller", caller), scope), budget));
    }

    private Flow with(Stmt.With with, Scope scope) {
        var inner = new Scope(scope);
        for (int i = 0; i < with.targets().size(); i++) {
            assign(with.targets().get(i), evaluate(with.values().get(i), scope), inner);
        }
        return run(with.body(), inner);
    }
}
