package dev.skein.gateway.template;

import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.function.Function;
import java.util.function.Predicate;

/// A Python generator: lazy, and empty once it was read.
record Generator(Iterator<Object> iterator) {
    static Generator mapping(Iterator<Object> source, Function<Object, Object> function) {
        return new Generator(new Iterator<>() {
            @Override
            public boolean hasNext() {
                return source.hasNext();
            }

            @Override
            public Object next() {
                return function.apply(source.next());
            }
        });
    }

    static Generator filtering(Iterator<Object> source, Predicate<Object> predicate) {
        return new Generator(new Filtering(source, predicate));
    }

    private static final class Filtering implements Iterator<Object> {
        private final Iterator<Object> source;
        private final Predicate<Object> predicate;
        private Object next = None.NONE;
        private boolean ready;

        Filtering(Iterator<Object> source, Predicate<Object> predicate) {
            this.source = source;
            this.predicate = predicate;
        }

        @Override
        public boolean hasNext() {
            while (!ready && source.hasNext()) {
                next = source.next();
                ready = predicate.test(next);
            }
            return ready;
        }

        @Override
        public Object next() {
            if (!hasNext()) {
                throw new NoSuchElementException();
            }
            ready = false;
            return next;
        }
    }
}
