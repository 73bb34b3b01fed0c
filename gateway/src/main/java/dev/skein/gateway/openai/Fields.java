package dev.skein.gateway.openai;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Reads typed fields of a body and remembers what is wrong with them, so that all is told at once by {@link #check}.
 * Absent and null are the same. A number may come as its text ("0.5"), as in vLLM.
 */
final class Fields {
    private static final int TOLD = 20;

    private final Map<?, ?> body;
    private final String path;
    private final List<String> errors;
    private final List<String> params;

    /** @throws ApiException if {@code body} is no object */
    static Fields of(@Nullable Object body) {
        if (body instanceof Map<?, ?> map) {
            return new Fields(map, "", new ArrayList<>(), new ArrayList<>());
        }
        throw ApiException.shape(List.of("the body must be an object, got " + kind(body)), null);
    }

    private Fields(Map<?, ?> body, String path, List<String> errors, List<String> params) {
        this.body = body;
        this.path = path;
        this.errors = errors;
        this.params = params;
    }

    /** Tells all that was wrong so far. */
    void check() {
        if (!errors.isEmpty()) {
            throw ApiException.shape(errors, params.getFirst());
        }
    }

    @Nullable
    Object raw(String name) {
        return body.get(name);
    }

    boolean has(String name) {
        return body.get(name) != null;
    }

    /** The object in {@code name}, whose errors count here; null where absent. */
    @Nullable
    Fields object(String name) {
        Object value = body.get(name);
        if (value == null) {
            return null;
        }
        if (value instanceof Map<?, ?> map) {
            return new Fields(map, path + name + ".", errors, params);
        }
        wrong(name, "an object", value);
        return null;
    }

    @Nullable
    String text(String name) {
        Object value = body.get(name);
        if (value == null || value instanceof String) {
            return (String) value;
        }
        wrong(name, "a string", value);
        return null;
    }

    boolean flag(String name, boolean otherwise) {
        Object value = body.get(name);
        return switch (value) {
            case null -> otherwise;
            case Boolean flag -> flag;
            case Long number when number == 0 || number == 1 -> number == 1;
            case String text when text.equalsIgnoreCase("true") -> true;
            case String text when text.equalsIgnoreCase("false") -> false;
            default -> {
                wrong(name, "true or false", value);
                yield otherwise;
            }
        };
    }

    @Nullable
    Double number(String name) {
        Object value = body.get(name);
        if (value == null) {
            return null;
        }
        Double number = asNumber(value);
        if (number == null) {
            wrong(name, "a number", value);
        }
        return number;
    }

    @Nullable
    Long integer(String name) {
        Object value = body.get(name);
        if (value == null) {
            return null;
        }
        Long number = asInteger(value);
        if (number == null) {
            wrong(name, value instanceof BigInteger ? "an integer of 64 bits" : "an integer", value);
        }
        return number;
    }

    /** Like {@link #integer}, with the nearest that fits in place of one beyond 32 bits: more than anything counts. */
    @Nullable
    Integer size(String name) {
        if (body.get(name) instanceof BigInteger large) {
            return large.signum() < 0 ? Integer.MIN_VALUE : Integer.MAX_VALUE;
        }
        Long number = integer(name);
        return number == null ? null : (int) Math.clamp(number, Integer.MIN_VALUE, Integer.MAX_VALUE);
    }

    /** One string or a list of them; empty where absent. */
    List<String> texts(String name) {
        Object value = body.get(name);
        return switch (value) {
            case null -> List.of();
            case String text -> List.of(text);
            case List<?> list -> {
                List<String> texts = new ArrayList<>();
                for (int i = 0; i < list.size(); i++) {
                    if (list.get(i) instanceof String text) {
                        texts.add(text);
                    } else {
                        wrong(name + "." + i, "a string", list.get(i));
                    }
                }
                yield texts;
            }
            default -> {
                wrong(name, "a string or a list of strings", value);
                yield List.of();
            }
        };
    }

    /** A list of integers; null where absent. */
    @Nullable
    List<Long> integers(String name) {
        Object value = body.get(name);
        if (value == null) {
            return null;
        }
        if (!(value instanceof List<?> list)) {
            wrong(name, "a list of integers", value);
            return null;
        }
        List<Long> numbers = new ArrayList<>();
        for (int i = 0; i < list.size(); i++) {
            Long number = list.get(i) == null ? null : asInteger(list.get(i));
            if (number == null) {
                wrong(name + "." + i, "an integer", list.get(i));
            } else {
                numbers.add(number);
            }
        }
        return numbers;
    }

    void wrong(String name, String expected, @Nullable Object value) {
        error(name, "must be " + expected + ", got " + kind(value));
    }

    void missing(String name) {
        error(name, "is required");
    }

    private void error(String name, String what) {
        if (errors.size() < TOLD && !params.contains(path + name)) {
            errors.add(path + name + " " + what);
            params.add(path + name);
        }
    }

    static @Nullable Double asNumber(Object value) {
        return switch (value) {
            case Long number -> number.doubleValue();
            case Double number -> number;
            case BigInteger number -> number.doubleValue();
            case String text -> parsed(text);
            default -> null;
        };
    }

    static @Nullable Long asInteger(Object value) {
        return switch (value) {
            case Long number -> number;
            case Double number when number == Math.rint(number) && Math.abs(number) < 9e15 -> number.longValue();
            case String text -> {
                Double number = parsed(text);
                yield number == null ? null : asInteger(number);
            }
            default -> null;
        };
    }

    private static @Nullable Double parsed(String text) {
        boolean plain =
                !text.isEmpty() && text.length() <= 40 && text.chars().allMatch(c -> "+-.eE0123456789".indexOf(c) >= 0);
        try {
            return plain ? Double.valueOf(text) : null;
        } catch (NumberFormatException e) {
            return null;
        }
    }

    /** A value as a person would name it. */
    static String kind(@Nullable Object value) {
        return switch (value) {
            case null -> "null";
            case String text -> "the string \"" + ApiException.shortened(text) + "\"";
            case Map<?, ?> _ -> "an object";
            case List<?> _ -> "a list";
            default -> ApiException.shortened(value.toString());
        };
    }
}
