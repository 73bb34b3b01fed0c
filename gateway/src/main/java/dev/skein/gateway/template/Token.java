package dev.skein.gateway.template;

/// One token of a template.
///
/// @param kind what it is
/// @param text its text: of data and strings the decoded text, of the others as written
/// @param at where it starts
record Token(Kind kind, String text, Position at) {
    enum Kind {
        DATA("text"),
        BLOCK_BEGIN("'{%'"),
        BLOCK_END("'%}'"),
        VARIABLE_BEGIN("'{{'"),
        VARIABLE_END("'}}'"),
        NAME("name"),
        STRING("string"),
        INTEGER("integer"),
        FLOAT("float"),
        OPERATOR("operator"),
        END("end of template");

        private final String words;

        Kind(String words) {
            this.words = words;
        }

        String words() {
            return words;
        }
    }

    boolean is(Kind other) {
        return kind == other;
    }

    boolean isName(String name) {
        return kind == Kind.NAME && text.equals(name);
    }

    boolean isOperator(String operator) {
        return kind == Kind.OPERATOR && text.equals(operator);
    }

    /// How an error message names it.
    String describe() {
        return switch (kind) {
            case NAME, INTEGER, FLOAT, OPERATOR -> "'" + text + "'";
            default -> kind.words();
        };
    }
}
