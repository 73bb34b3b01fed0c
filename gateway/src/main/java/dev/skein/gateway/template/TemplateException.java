package dev.skein.gateway.template;

/// A chat template that cannot be parsed or rendered, with the place in its source.
public final class TemplateException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final String reason;
    private final Position position;
    private final boolean raised;

    private TemplateException(String reason, Position position, boolean raised) {
        super(
                position.known()
                        ? "line %d, column %d: %s".formatted(position.line(), position.column(), reason)
                        : reason);
        this.reason = reason;
        this.position = position;
        this.raised = raised;
    }

    static TemplateException fault(String reason) {
        return new TemplateException(reason, Position.UNKNOWN, false);
    }

    static TemplateException fault(String reason, Position position) {
        return new TemplateException(reason, position, false);
    }

    static TemplateException raised(String reason) {
        return new TemplateException(reason, Position.UNKNOWN, true);
    }

    /// The same failure with a place, unless it already knows a nearer one.
    TemplateException at(Position place) {
        return position.known() ? this : new TemplateException(reason, place, raised);
    }

    /// What went wrong, without the place; for `raise_exception('...')` exactly the template's own words.
    public String reason() {
        return reason;
    }

    /// Line in the template, from 1; 0 where no place is known.
    public int line() {
        return position.line();
    }

    /// Column in that line, from 1; 0 where no place is known.
    public int column() {
        return position.column();
    }

    /// True when the template itself refused the conversation by `raise_exception(...)`: the caller's fault, not ours.
    public boolean raisedByTemplate() {
        return raised;
    }
}
