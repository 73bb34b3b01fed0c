package dev.skein.gateway.template;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Hostile templates end with a TemplateException, never with a full heap, a full stack or a busy core.
class ChatTemplateBoundsTest {
    private static String render(String source) {
        return ChatTemplate.parse(source).render(Map.of("xs", List.of(1, 2, 3)), Golden.CLOCK);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
                "{{ 'x' * 999999999 }}",
                "{{ 'x' * 99999999999999999999 }}",
                "{{ [0] * 999999999 }}",
                "{{ (0,) * 999999999 * 999999999 }}",
                "{% set ns = namespace(s='x') %}{% for i in range(100) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
                "{% set ns = namespace(s='x') %}{% for i in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
                "{% set ns = namespace(s=[1]) %}{% for i in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
                "{% set ns = namespace(s=[1]) %}{% for i in range(100) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
                "{% set ns = namespace(s=1) %}{% for i in range(9999) %}{% set ns.s = [ns.s] %}{% endfor %}{{ ns.s }}",
                "{% set ns = namespace(s=1) %}{% for i in range(9999) %}{% set ns.s = [ns.s] %}{% endfor %}{{ ns.s|tojson }}",
                "{% set ns = namespace(s=1, t=1) %}{% for i in range(9999) %}{% set ns.s = [ns.s] %}{% set ns.t = [ns.t] %}"
                        + "{% endfor %}{{ ns.s == ns.t }}",
                "{% set ns = namespace(s=1, t=1) %}{% for i in range(99) %}{% set ns.s = [ns.s, ns.s] %}"
                        + "{% set ns.t = [ns.t, ns.t] %}{% endfor %}{{ ns.s == ns.t }}",
                "{% set ns = namespace(s=1) %}{% for i in range(9999) %}{% set ns.s = (ns.s,) %}{% endfor %}{{ {ns.s: 1} }}",
                "{% set ns = namespace() %}{% set ns.self = ns %}{{ ns }}",
                "{% set ns = namespace(a='a' * 4000000) %}{% for i in range(99999) %}{{ ('a' * 2000000 ~ 'b') in ns.a }}{% endfor %}",
                "{% set a = 'a' * 1000000 %}{% for i in range(99999) %}{{ a.replace('a', 'bb') }}{% endfor %}",
                "{% set a = 'a' * 1000000 %}{% for i in range(99999) %}{% if a.upper() %}{% endif %}{% endfor %}",
                "{% set a = 'a' * 1000000 %}{% for i in range(99999) %}{% if a == a ~ '' %}{% endif %}{% endfor %}",
                "{% set a = 'a,' * 1000000 %}{% for i in range(99999) %}{% set b = a.split(',') %}{% endfor %}",
                "{{ ('a,' * 4000000).replace('', 'x' * 4000000) }}",
                "{{ ('x' * 1000)|replace('', 'y' * 9999999) }}",
                "{{ 'a'.center(999999999) }}",
                "{{ 'a'|center(999999999999) }}",
                "{{ 'a\n' * 1000000|indent(999999) }}",
                "{{ ('a\n' * 100000)|indent(999999) }}",
                "{{ '%999999999d' % 1 }}",
                "{{ '%.999999999f' % 1.5 }}",
                "{{ '{:9999999}'.format(1) * 99 }}",
                "{{ '{:.9999999f}'.format(1.5) }}",
                "{{ '%*d' % (99999999999, 1) * 99 }}",
                "{{ 9 ** (9 ** 9) }}",
                "{{ 9 ** 99999999999999999999 }}",
                "{% set ns = namespace(i=3) %}{% for i in range(99) %}{% set ns.i = ns.i * ns.i %}{% endfor %}",
                "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
                "{% macro m(a) %}{% for i in a %}{{ m(a) }}{% endfor %}{% endmacro %}{{ m([1]) }}",
                "{% macro m(a=m()) %}{% endmacro %}{{ m() }}",
                "{% for a in [xs] recursive %}{{ loop([xs]) }}{% endfor %}",
                "{{ range(0, 99999999999999999999) }}",
                "{{ range(-9223372036854775807, 9223372036854775807) }}",
                "{{ xs|batch(999999999, 'x')|list }}",
                "{{ xs|slice(999999999)|list }}",
                "{{ [xs]|tojson(indent=999999999) }}",
                "{{ xs|join('x' * 9999999) }}{{ xs|join('x' * 9999999) }}",
                "{% for i in range(100000) %}{{ 'x' * 10000 }}{% endfor %}",
                "{% set c %}{% for i in range(100000) %}{{ 'x' * 10000 }}{% endfor %}{% endset %}",
                "{% for i in range(99999) %}{{ range(99999)|sum }}{% endfor %}",
                "{% for i in range(99999) %}{% if 'a' in range(99999) %}{% endif %}{% endfor %}",
                "{% for i in range(99999) %}{{ range(99999)|sort|length }}{% endfor %}",
                "{% for i in range(99999) %}{{ range(99999)|unique|list|length }}{% endfor %}",
                "{% for i in range(99999) %}{{ range(99999)|map('string')|join|length }}{% endfor %}",
                "{{ xs[99999999999999999999] }}{{ xs[::0] }}",
                "{{ ('1' * 9999999)|int + ('9' * 4000)|int ** 9 }}",
                "{{ strftime_now('%c' * 9999999) }}"
            })
    void ends(String source) {
        assertThatThrownBy(() -> render(source)).isInstanceOf(TemplateException.class);
    }

    @Test
    void nestingOfTheSourceIsBounded() {
        for (var part :
                List.of("(", "[", "{1:", "not ", "-", "a[", "a(", "{% if x %}", "{% for a in x %}", "'a' if ")) {
            var tag = part.startsWith("{%") ? part.repeat(100_000) : "{{ " + part.repeat(100_000);
            assertThatThrownBy(() -> ChatTemplate.parse(tag)).as(part).isInstanceOf(TemplateException.class);
        }
    }

    @Test
    void longChainsDoNotExhaustTheStack() {
        for (var link : List.of("|trim", ".a", "[0]", " + 1", " * 1", " and 1", " or 0", " ** 1", "()")) {
            var source = "{{ x" + link.repeat(50_000) + " }}";
            var thrown = catchThrowable(() -> render(source));
            assertThat(thrown).as(link).isInstanceOf(TemplateException.class);
        }
    }

    @Test
    void aLongTemplateIsRefusedByItsLength() {
        assertThatThrownBy(() -> ChatTemplate.parse("x".repeat((1 << 20) + 1)))
                .isInstanceOf(TemplateException.class)
                .hasMessageContaining("1048577")
                .hasMessageContaining("1048576");
    }

    @Test
    void deepVariablesAreRefused() {
        List<Object> deep = new ArrayList<>();
        for (int i = 0; i < 10_000; i++) {
            deep = new ArrayList<>(List.of(deep));
        }
        var variables = Map.of("deep", deep);
        assertThatThrownBy(() -> ChatTemplate.parse("x").render(variables, Golden.CLOCK))
                .isInstanceOf(TemplateException.class)
                .hasMessageContaining("nested");
    }

    @Test
    void aSmallStackIsEnoughToRefuse() throws InterruptedException {
        var thrown = new ArrayList<Throwable>();
        var source =
                "{% macro m(a) %}{% if a %}{% for i in a %}{{ [m(a)]|join|trim }}{% endfor %}{% endif %}{% endmacro %}{{ m([1]) }}";
        var thread = new Thread(null, () -> thrown.add(catchThrowable(() -> render(source))), "small", 256 << 10);
        thread.start();
        thread.join();
        assertThat(thrown).singleElement().isInstanceOf(TemplateException.class);
    }

    @Test
    void aLargeConversationFitsInTheBounds() {
        var messages = new ArrayList<Map<String, String>>();
        for (int i = 0; i < 1_000; i++) {
            messages.add(Map.of("role", i % 2 == 0 ? "user" : "assistant", "content", "word ".repeat(400)));
        }
        var template = ChatTemplate.parse(
                "{% for m in messages %}{{ '<' + m['role'] + '>' + m['content'] | trim + '\n' }}{% endfor %}");
        assertThat(template.render(Map.of("messages", messages), Golden.CLOCK)).hasSizeGreaterThan(1_000 * 2_000);
    }

    @Test
    void failuresTellWhereAndWhy() {
        assertThatThrownBy(() -> ChatTemplate.parse("one\n  {% if x %}\n{{ y }"))
                .isInstanceOfSatisfying(TemplateException.class, e -> {
                    assertThat(e.line()).isEqualTo(3);
                    assertThat(e.column()).isEqualTo(6);
                    assertThat(e.raisedByTemplate()).isFalse();
                });
        assertThatThrownBy(() -> ChatTemplate.parse("{% if x %}a")).hasMessageContaining("{% endif %}");
        assertThatThrownBy(() -> ChatTemplate.parse("{% include 'x' %}")).hasMessageContaining("'include'");
        assertThatThrownBy(() -> render("a\nb {{ raise_exception('No ' ~ xs|length) }}"))
                .isInstanceOfSatisfying(TemplateException.class, e -> {
                    assertThat(e.raisedByTemplate()).isTrue();
                    assertThat(e.reason()).isEqualTo("No 3");
                    assertThat(e.line()).isEqualTo(2);
                });
    }

    @Test
    void variablesAreCopiedAndNeverChanged() {
        var variables = new HashMap<String, Object>();
        variables.put("xs", new ArrayList<>(List.of(1, 2)));
        variables.put("nothing", null);
        variables.put("small", 1.5f);
        var out = ChatTemplate.parse("{{ xs + [3] }} {{ nothing }} {{ small }}").render(variables, Golden.CLOCK);
        assertThat(out).isEqualTo("[1, 2, 3] None 1.5");
        assertThat(variables).containsEntry("xs", List.of(1, 2));
        assertThatThrownBy(() -> ChatTemplate.parse("").render(Map.of("x", new Object()), Golden.CLOCK))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("java.lang.Object");
    }
}
