package dev.skein.gateway.template;

import dev.skein.gateway.template.Expr.Arguments;
import java.time.Clock;
import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// Evaluates expressions, and holds what one render needs everywhere. Confined to the rendering thread.
final class Evaluator {
    private static final Set<String> ESCAPING = Set.of("e", "escape", "safe");
    private static final Set<String> KEEPING_MARKUP =
            Set.of("capitalize", "center", "default", "d", "indent", "lower", "string", "trim", "upper");

    private final Budget budget;
    private final Clock clock;
    private final Operators operators;
    private final Attributes attributes;
    private final Ordering ordering;
    /// The place evaluated last, for whoever fails without knowing one.
    private Position here = new Position(1, 1);

    Evaluator(Budget budget, Clock clock) {
        this.budget = budget;
        this.clock = clock;
        this.operators = new Operators(budget);
        this.attributes = new Attributes(operators, budget);
        this.ordering = new Ordering(operators);
    }

    Budget budget() {
        return budget;
    }

    Operators operators() {
        return operators;
    }

    Attributes attributes() {
        return attributes;
    }

    Ordering ordering() {
        return ordering;
    }

    ZonedDateTime now() {
        return ZonedDateTime.now(clock);
    }

    Position here() {
        return here;
    }

    void at(Position position) {
        here = position;
    }

    /// The value of an expression without the mark that it may be HTML.
    Object evaluate(Expr expr, Scope scope) {
        return Markup.plain(marked(expr, scope));
    }

    /// The value with that mark, for `+` and for variables.
    Object marked(Expr expr, Scope scope) {
        budget.step();
        budget.enter();
        var value = value(expr, scope);
        budget.leave();
        return value;
    }

    boolean truth(Expr expr, Scope scope) {
        return Operators.truth(evaluate(expr, scope));
    }

    private static boolean truth(Object value) {
        return Operators.truth(Markup.plain(value));
    }

    private Object value(Expr expr, Scope scope) {
        return switch (expr) {
            case Expr.Literal literal -> literal.value();
            case Expr.Name name -> name(name, scope);
            case Expr.Attribute attribute -> attribute(attribute, scope);
            case Expr.Item item -> item(item, scope);
            case Expr.Slice _ -> throw TemplateException.fault("a slice stands alone in its brackets");
            case Expr.Call call -> call(call, Map.of(), scope);
            case Expr.Filter filter -> filter(filter, scope);
            case Expr.Test test -> test(test, scope);
            case Expr.Not not -> !truth(not.operand(), scope);
            case Expr.Sign sign -> sign(sign, scope);
            case Expr.And and -> {
                var left = marked(and.left(), scope);
                yield truth(left) ? marked(and.right(), scope) : left;
            }
            case Expr.Or or -> {
                var left = marked(or.left(), scope);
                yield truth(left) ? left : marked(or.right(), scope);
            }
            case Expr.Binary binary -> binary(binary, scope);
            case Expr.Concat concat -> concat(concat, scope);
            case Expr.Compare compare -> compare(compare, scope);
            case Expr.Conditional conditional -> conditional(conditional, scope);
            case Expr.ListOf list -> all(list.items(), scope);
            case Expr.TupleOf tuple -> new Tuple(all(tuple.items(), scope));
            case Expr.DictOf dict -> dict(dict, scope);
        };
    }

    private static Object name(Expr.Name name, Scope scope) {
        var value = scope.find(name.name());
        return value == null ? new Undefined("'" + name.name() + "' is undefined") : value;
    }

    private Object attribute(Expr.Attribute attribute, Scope scope) {
        var base = evaluate(attribute.base(), scope);
        here = attribute.at();
        return attributes.attribute(base, attribute.name());
    }

    private Object item(Expr.Item item, Scope scope) {
        var base = evaluate(item.base(), scope);
        if (item.key() instanceof Expr.Slice slice) {
            var start = evaluate(slice.start(), scope);
            var stop = evaluate(slice.stop(), scope);
            var step = evaluate(slice.step(), scope);
            here = item.at();
            return attributes.slice(base, start, stop, step);
        }
        var key = evaluate(item.key(), scope);
        here = item.at();
        return attributes.item(base, key);
    }

    private Object filter(Expr.Filter filter, Scope scope) {
        var input = marked(filter.input(), scope);
        var args = args(filter.arguments(), scope);
        here = filter.at();
        if (input instanceof Markup markup) {
            return filterMarkup(filter.name(), markup, args);
        }
        return Filters.apply(filter.name(), input, args, this);
    }

    private Object filterMarkup(String name, Markup input, Args args) {
        if (ESCAPING.contains(name)) {
            return input;
        }
        var result = Filters.apply(name, input.text(), args, this);
        return KEEPING_MARKUP.contains(name) && result instanceof String text ? new Markup(text) : result;
    }

    private Object test(Expr.Test test, Scope scope) {
        var input = evaluate(test.input(), scope);
        var args = args(test.arguments(), scope);
        here = test.at();
        return Tests.apply(test.name(), input, args, this);
    }

    private Object sign(Expr.Sign sign, Scope scope) {
        var operand = evaluate(sign.operand(), scope);
        here = sign.at();
        return operators.sign(sign.minus(), operand);
    }

    private Object binary(Expr.Binary binary, Scope scope) {
        var left = marked(binary.left(), scope);
        var right = marked(binary.right(), scope);
        here = binary.at();
        return operators.binary(binary.operator(), left, right);
    }

    private Object concat(Expr.Concat concat, Scope scope) {
        var out = new StringBuilder();
        for (var part : concat.parts()) {
            var text = Repr.str(evaluate(part, scope), budget);
            budget.chars(text.length());
            out.append(text);
        }
        return out.toString();
    }

    private Object compare(Expr.Compare compare, Scope scope) {
        var left = evaluate(compare.first(), scope);
        for (var link : compare.links()) {
            var right = evaluate(link.right(), scope);
            here = compare.at();
            if (!operators.compare(link.comparison(), left, right)) {
                return false;
            }
            left = right;
        }
        return true;
    }

    private Object conditional(Expr.Conditional conditional, Scope scope) {
        if (truth(conditional.test(), scope)) {
            return marked(conditional.then(), scope);
        }
        var otherwise = conditional.otherwise();
        return otherwise == null
                ? new Undefined("the inline 'if' was false and has no 'else'")
                : marked(otherwise, scope);
    }

    private List<Object> all(List<Expr> items, Scope scope) {
        budget.elements(items.size());
        var values = new ArrayList<Object>(items.size());
        for (var item : items) {
            values.add(evaluate(item, scope));
        }
        return values;
    }

    private Object dict(Expr.DictOf dict, Scope scope) {
        budget.elements(dict.keys().size());
        var values = new LinkedHashMap<Object, Object>();
        for (int i = 0; i < dict.keys().size(); i++) {
            var key = evaluate(dict.keys().get(i), scope);
            values.put(operators.key(values, key), evaluate(dict.values().get(i), scope));
        }
        return values;
    }

    /// Calls with the arguments as written and `extra` named ones.
    Object call(Expr.Call call, Map<String, Object> extra, Scope scope) {
        var callee = evaluate(call.callee(), scope);
        var args = args(call.arguments(), scope);
        if (!extra.isEmpty()) {
            var named = new LinkedHashMap<>(args.named());
            named.putAll(extra);
            args = new Args(args.positional(), named);
        }
        here = call.at();
        return call(callee, args);
    }

    private Object call(Object callee, Args args) {
        budget.enter();
        var result = switch (callee) {
            case Function function -> function.body().call(args, this);
            case MacroFunction macro -> macro.call(args);
            case LoopState loop -> loop.call(args);
            case Undefined undefined -> throw undefined.fault();
            default -> throw TemplateException.fault("a " + Operators.typeName(callee) + " cannot be called");
        };
        budget.leave();
        return result;
    }

    private Args args(Arguments arguments, Scope scope) {
        if (arguments == Arguments.NONE) {
            return Args.NONE;
        }
        var positional = all(arguments.positional(), scope);
        var named = new LinkedHashMap<String, Object>();
        for (var argument : arguments.named()) {
            named.put(argument.name(), evaluate(argument.value(), scope));
        }
        if (arguments.rest() != null) {
            positional.addAll(operators.list(evaluate(arguments.rest(), scope)));
        }
        if (arguments.restNamed() != null) {
            addNamed(named, evaluate(arguments.restNamed(), scope));
        }
        return new Args(positional, named);
    }

    private void addNamed(Map<String, Object> named, Object rest) {
        if (!(rest instanceof Map<?, ?> map)) {
            throw TemplateException.fault("'**' needs a dict, got " + Operators.typeName(rest));
        }
        map.forEach((key, value) -> {
            if (!(key instanceof String name) || named.put(name, value) != null) {
                throw TemplateException.fault("'**' needs names that are strings and not given yet");
            }
        });
    }
}
