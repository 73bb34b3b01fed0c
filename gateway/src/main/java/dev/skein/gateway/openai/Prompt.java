package dev.skein.gateway.openai;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A prompt as a client gives it. */
public sealed interface Prompt {
    int MOST = 1024;

    record Text(String text) implements Prompt {}

    /** Ids, each in the vocabulary. The array is not to be changed. */
    record Ids(int[] ids) implements Prompt {}

    /** Reads a string, a list of strings, a list of ids or a list of lists of ids. */
    static List<Prompt> read(Fields body, int vocabulary) {
        return read(body, "prompt", MOST, vocabulary);
    }

    /** The same of a field of some name, with a bound of its own. */
    static List<Prompt> read(Fields body, String name, int most, int vocabulary) {
        Object raw = body.raw(name);
        if (raw == null) {
            body.missing(name);
            body.check();
        }
        if (raw instanceof String text) {
            return List.of(new Text(text));
        }
        if (!(raw instanceof List<?> list)) {
            body.wrong(name, "a string, a list of strings, a list of token ids or a list of such lists", raw);
            body.check();
            return List.of();
        }
        if (list.isEmpty()) {
            throw ApiException.bad(name, name + " is an empty list; give at least one " + name);
        }
        if (list.getFirst() instanceof Long) {
            return List.of(ids(body, name, name, list, vocabulary));
        }
        if (list.size() > most) {
            throw ApiException.bad(name, name + " has " + list.size() + " " + name + "s; it may have " + most);
        }
        List<Prompt> prompts = new ArrayList<>();
        for (int i = 0; i < list.size(); i++) {
            prompts.add(one(body, name, name + "." + i, list.get(i), vocabulary));
        }
        body.check();
        return prompts;
    }

    private static Prompt one(Fields body, String name, String path, @Nullable Object raw, int vocabulary) {
        return switch (raw) {
            case String text -> new Text(text);
            case List<?> list -> ids(body, name, path, list, vocabulary);
            case null, default -> {
                body.wrong(path, "a string or a list of token ids", raw);
                yield new Text("");
            }
        };
    }

    private static Prompt ids(Fields body, String name, String path, List<?> list, int vocabulary) {
        int[] ids = new int[list.size()];
        for (int i = 0; i < ids.length; i++) {
            if (!(list.get(i) instanceof Long id)) {
                body.wrong(path + "." + i, "a token id", list.get(i));
                body.check();
                throw new IllegalStateException("not reached: an error was just noted");
            }
            if (id < 0 || id >= vocabulary) {
                throw ApiException.bad(
                        name,
                        path + "." + i + " is the token id " + id + ", and the vocabulary has 0 to "
                                + (vocabulary - 1));
            }
            ids[i] = id.intValue();
        }
        return new Ids(ids);
    }
}
