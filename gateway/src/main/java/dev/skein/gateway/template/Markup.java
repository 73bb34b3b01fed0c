package dev.skein.gateway.template;

/// Text that `safe` or `escape` has marked as HTML. Nothing is escaped when it is printed, but `+` escapes what is
/// added
/// to it: `'x'|safe + '"'` is `x&#34;`, and real chat templates do this.
///
/// The mark lives in expressions and variables only; whatever else takes the value sees the plain text.
record Markup(String text) {
    static Object plain(Object value) {
        return value instanceof Markup markup ? markup.text : value;
    }

    static String escape(String text) {
        var out = new StringBuilder(text.length());
        for (char c : text.toCharArray()) {
            switch (c) {
                case '&' -> out.append("&amp;");
                case '<' -> out.append("&lt;");
                case '>' -> out.append("&gt;");
                case '\'' -> out.append("&#39;");
                case '"' -> out.append("&#34;");
                default -> out.append(c);
            }
        }
        return out.toString();
    }
}
