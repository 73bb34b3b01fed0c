package dev.skein.cli.settings;

import java.util.List;

/// The help text of `skein serve`, grouped by sections.
public final class ServeHelp {
    private static final int COLUMN = 36;
    private static final int WIDTH = 100;

    private ServeHelp() {}

    public static String text() {
        StringBuilder text = new StringBuilder("""
                skein serve [MODEL] [flags]      serve a model with OpenAI's HTTP interface

                MODEL is a GGUF file, a Hugging Face folder, or ORG/NAME[:QUANT] on the hub whose address is in HF_ENDPOINT:
                it is fetched once and kept, after which no network is needed (skein model --help tells more). Without
                MODEL SmolLM2-135M-Instruct (Q4_1, 98 MB) is fetched once and kept.
                Flags carry vLLM's names; --flag value and --flag=value, dashes and underscores all do. Switches have a
                --no- form. Numbers take k, m, g (thousands) and K, M, G (1024s). Each flag is also a variable, such as
                SKEIN_PORT for --port, and a key of the YAML file that --config names. The command line wins over the
                variables, these over the file.
                """);
        for (Setting.Section section : Setting.Section.values()) {
            text.append('\n').append(section.heading()).append(":\n");
            ServeSettings.ALL.stream()
                    .filter(setting -> setting.section() == section)
                    .forEach(setting -> append(text, setting));
        }
        return text.toString();
    }

    private static void append(StringBuilder text, Setting<?> setting) {
        String names = String.join(", ", setting.shorts().isEmpty() ? List.of() : setting.shorts());
        String flag = "  " + (names.isEmpty() ? "" : names + ", ") + setting.flag()
                + (setting.isSwitch() ? "" : " " + setting.label())
                + (setting.many() ? " ..." : "");
        String help = setting.help()
                + (setting.fallback() == null || setting.isSwitch() ? "" : " [" + setting.fallback() + "]");
        text.append(flag);
        int column = flag.length();
        if (column >= COLUMN) {
            text.append('\n');
            column = 0;
        }
        text.repeat(' ', COLUMN - column);
        column = COLUMN;
        String gap = "";
        for (String word : help.split(" ")) {
            if (column + gap.length() + word.length() > WIDTH) {
                text.append('\n').repeat(' ', COLUMN);
                column = COLUMN;
                gap = "";
            }
            text.append(gap).append(word);
            column += gap.length() + word.length();
            gap = " ";
        }
        text.append('\n');
    }
}
