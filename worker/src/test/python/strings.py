"""Strings on which tokenizers disagree; each is tokenized as it stands."""

_PLAIN = [
    "", "a", "A", " ", "Hello", " Hello", "Hello world", "Hello, world!", "hello  world", "HELLO WORLD", "The quick brown fox.",
    "antidisestablishmentarianism", "supercalifragilisticexpialidocious", "camelCaseIdentifier", "snake_case_name", "kebab-case-name",
    "e.g. i.e. etc.", "A.B.C.", "Mr. O'Neill's", "rock 'n' roll", "...", "....", "?!?!", "--", "---", "—", "–", "\"quoted\"", "“curly”", "«guillemets»",
    "(a)[b]{c}<d>", "a/b\\c", "50%", "$100", "€100", "£5.99", "#hashtag", "@mention", "a&b", "a*b", "x^2", "~/.bashrc", "`code`", "|pipe|",
]

_CONTRACTIONS = [
    "I'm", "you're", "he's", "we've", "they'll", "I'd", "don't", "I'M", "DON'T", "it’s", "y'all'd've", "'s", "'", "''", "'tis", "s's's", " 's", "x 'll", "O'", "'re'", "a'b'c",
]

_SPACES = [
    "  ", "   ", "    ", " " * 7, " " * 8, " " * 16, " " * 33, " " * 100, "\t", "\t\t", "\t \t", "\n", "\n\n", "\n\n\n", "\n" * 10, "\r", "\r\n", "\r\n\r\n",
    "\n\r", " \n", "\n ", " \n ", "a\n", "a \n", "a\n b", "a\n  b", "a\tb", "a \tb", "a  b", "a   b", "a    b", "a     b", " a", "  a", "   a", "a ", "a  ", "a   ",
    "line one\nline two", "line one\r\nline two\r\n", "para one\n\npara two", "\n\n\na", "a\n\n\n", "trailing   \nspaces   \n", "\x0b", "\x0c", "a\x0bb", "a\x0cb",
    "\u00a0", "a\u00a0b", "a \u00a0 b", "\u2003", "a\u2003b", "\u3000", "全角\u3000空白", "\u200b", "a\u200bb", "\ufeff", "\ufeffa", "\u2028", "a\u2028b", "\u2029", "\u0085", "a\u0085b",
    "\u1680", "\u202f12", "\u180e", "\x1c", "a\x1cb", "\x1f", " \x1f ",
]

_DIGITS = [
    "0", "1", "12", "123", "1234", "1234567890", "3.14159", "1,000,000", "-42", "+7", "1e10", "0x1F", "0b1010", "2024-06-07", "12:34:56", "192.168.0.1", "v1.2.3", "a1b2c3",
    "1st 2nd 3rd", "x2", "2x", " 2", "  2", "   2", "2 ", "2  2", "1\n2", "1 2 3", "10%", "1's", "1'll", "1'2", "½", "¼ cup", "x²", "H₂O", "①②③", "Ⅷ", "Ⅳ.", "٣٤٥", "१२३", "๑๒", "１２３",
    "𝟘𝟙𝟚", "一二三", "〇", "2²", "5½", "10⁻³", "a½b", "12 500 €", "0.1+0.2", "1/2", "😀1😀", "　７　", "ↂ", "৪", "𐄇",
]

_LANGUAGES = [
    "café", "cafe\u0301", "naïve façade", "Ångström", "ÀÉÎÕÜ", "straße", "STRASSE", "ﬁne ﬂow", "Žluťoučký kůň", "İstanbul ıI", "Đặng Thị Hương", "Ελληνικά", "Привет, мир!", "Ёлка съёжилась", "Україна", "שלום עולם", "שָׁלוֹם",
    "مرحبا بالعالم", "مُحَمَّد", "فارسی", "हिन्दी में", "नमस्ते", "বাংলা", "தமிழ்", "ภาษาไทย", "สวัสดี", "မြန်မာ", "ქართული", "Հայերեն", "አማርኛ", "你好，世界！", "繁體中文", "日本語テキスト", "ひらがな", "カタカナ", "ｶﾀｶﾅ", "한국어", "각", "각",
    "𠜎𠜱", "北京2008年", "東京タワー333m", "Mixed русский and 中文 text", "ℝ → ℂ", "∑ x² ≤ ∞", "∀x∃y", "𝓗𝓮𝓵𝓵𝓸", "Ｆｕｌｌｗｉｄｔｈ", "ᚠᚢᚦ", "🇩🇪", "Z̸̢͇a͡l͜g̵o", "a\u0300\u0301\u0302", "ʼn ʻokina", "ǅ", "ⅷ", "ª º", "_ﾞ",
]

_EMOJI = [
    "😀", "😀😀", " 😀", "😀 ", "a😀b", "👍🏽", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🧑🏿‍🚀", "❤️", "❤", "☺️", "🇫🇷🇯🇵", "1️⃣", "#️⃣", "©️", "🤷‍♀️", "🫠", "🥹 ok", "text 🎉🎊 party", "🐶🐱🐭", "⏰", "→←↑↓", "✓✗", "★☆", "♠♣♥♦", "𝄞", "🀄", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "\ufe0f", "\u200d",
]

_SPECIAL = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|im_start|>user\nHi<|im_end|>\n", "<|im_start|>assistant\n", "a<|im_end|>b", " <|im_end|> ", "<|im_end|><|im_end|>", "<|im_end|>\n\n", "<|im_end", "|im_end|>", "<|im_end|", "< |im_end|>", "<|IM_END|>", "<|im_end|>1",
    "<|endoftext", "<repo_name>", "<reponame>", "<file_sep>", "<filename>main.java", "<gh_stars>10", "<issue_start>", "<issue_comment>", "<issue_closed>", "<jupyter_start>", "<jupyter_text>", "<jupyter_code>1+1", "<jupyter_output>2", "<jupyter_script>", "<empty_output>", "<empty_output", "empty_output>", "<<file_sep>>", "<file_sep><file_sep>x",
    "<s>", "</s>", "<unk>", "<pad>", "[INST] hi [/INST]", "<|unknown|>", "<|im_start|><|im_end|>", "x<|im_start|>system\nYou are 007.<|im_end|>\n<|im_start|>user\n😀<|im_end|>\n",
]

_CODE = [
    "public static void main(String[] args) {\n    System.out.println(\"Hi\");\n}\n", "for (int i = 0; i < 10; i++) {\n\tx += i;\n}", "def f(x):\n    return x ** 2\n", "if x == 1:\n        pass\n", "SELECT * FROM t WHERE id = 42;", "<div class=\"a\">x</div>", "{\"a\": [1, 2.5, null, true]}",
    "#include <stdio.h>", "let f = |x| x + 1;", "a->b::c.d", "!=!==&&||", "i++ + ++i", "x=1;y=2", "/* c */ // d", "\"\\n\\t\\u00e9\"", "^[a-z]+\\d{2,3}$", "https://example.com/a?b=c&d=1#e", "user@example.com", "C:\\Users\\x", "$HOME/bin:$PATH", "$$x^2 + y^2 = z^2$$", "| a | b |\n|---|---|\n| 1 | 2 |", "- [x] done\n- [ ] open", "```java\nint x;\n```", "\tindented\n\t\tmore", "0xDEADBEEF", "1_000_000", "a\u0000b",
]

# Some control characters and rare planes hold bytes that this vocabulary lacks: they fall out, and what stands on
# both sides of them can then even merge.
_MISSING = [
    "\x04", "\x06", "\x13", "\x14", "\x16", "\x1d", "a\x04b", "!\x04!", "=\x06=", "\x04\x04", " \x04 ", "a\x04", "\x04a", "-\x13-\x14-", "\x00", "\x01\x02\x03", "\x7f", "\x1b[31mred\x1b[0m", "\U00050000", "a\U00050000b", "!\U000a0000!",
    "\U0010ffff", "\U000f0000", "\ue000", "\ufffd", "\uffff", "\U0001ffff", "\x80", "\x9f",
]

_LONG = [
    "a" * 64, "ab" * 100, "the " * 50, "lorem ipsum dolor sit amet " * 8, "=" * 80, "-" * 79 + "\n", "." * 33, "!" * 17, "0" * 40, "你" * 30, "😀" * 20, "\n \n \n ", "x \n\n y \n\n z", "A" * 31 + "a" * 31, "'" * 9, "é" * 25, "na" * 16 + " batman!",
]

STRINGS = list(dict.fromkeys(
    _PLAIN + _CONTRACTIONS + _SPACES + _DIGITS + _LANGUAGES + _EMOJI + _SPECIAL + _CODE + _MISSING + _LONG))
