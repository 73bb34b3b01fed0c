package dev.skein.gateway.template;

/// A place in a template, line and column from 1.
record Position(int line, int column) {
    static final Position UNKNOWN = new Position(0, 0);

    boolean known() {
        return line > 0;
    }
}
