/// Chat templates: a small, exact subset of Jinja2.
///
/// A model file brings a template that turns a conversation into the one prompt text the model was trained on. A prompt
/// that is off by a newline still yields fluent answers, only worse ones, and no error tells anybody. So the one
/// promise
/// of this package is that a template renders byte for byte as Python's Jinja2 3.1 renders it in the set-up that the
/// transformers library uses: the immutable sandbox, `trim_blocks`, `lstrip_blocks`, loop controls, a `tojson` that
/// does not escape, `raise_exception`, `strftime_now`, and the `generation` tag.
///
/// The road of a template: [dev.skein.gateway.template.ChatTemplate] hands its source to `Lexer` (tokens, white space
/// control), `ExpressionParser` and `Parser` build the sealed trees `Expr` and `Stmt`, `Interpreter` walks the
/// statements and `Evaluator` the expressions. Values are plain Java objects with Python's meaning: `String`,
/// `Boolean`,
/// `Long` or `BigInteger`, `Double`, `List`, `Map`, and the few types Python has and Java lacks (`None`, `Tuple`,
/// `Undefined`, `Range`, `DictView`, `Generator`). `Operators` knows Python's operators, `Text` its strings, `Repr` how
/// it prints; filters and tests are tables of small functions.
///
/// Templates are hostile input: a model file comes from anywhere. Every evaluation step, every character and element
/// made, and every level of nesting is charged to a `Budget`, and whoever exceeds it gets a `TemplateException`.
/// Nothing here reaches files, classes, or the network.
///
/// What is left out on purpose: templates that load other templates (`include`, `import`, `extends`, `block`),
/// automatic
/// escaping, translations, and the filters that make HTML.
@NullMarked
package dev.skein.gateway.template;

import org.jspecify.annotations.NullMarked;
