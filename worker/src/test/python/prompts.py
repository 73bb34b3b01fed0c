"""The 32 prompts of the greedy golden: plain text to continue, and chats for the model's own template.

Each is meant to fail for another reason: spaces and digits (tokenizer), bytes split over tokens (CJK, emoji),
positions (one token, about 600 tokens), the template, and text on which a small model repeats itself, where an error
in the KV cache shows at once.
"""

SYSTEM = {"role": "system", "content": "You are a terse assistant. Answer in one sentence."}


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


def _ledger():
    """About 600 tokens of our own making, whose end can only be continued by looking far back."""
    keepers = ["Anna", "Boris", "Chloe", "Dmitri", "Elena", "Farid", "Greta", "Hiro"]
    goods = ["barley", "salt", "lamp oil", "rope", "copper wire", "paper", "wool", "tar"]
    lines = [
        f"Entry {n}: keeper {keepers[n * 3 % 8]} counted {n * 37 % 90 + 10} units of {goods[n * 5 % 8]} "
        f"in bay {n % 6 + 1} and signed the book."
        for n in range(1, 25)
    ]
    return "The warehouse ledger of the harbour, copied fair.\n" + "\n".join(lines) + "\nEntry 25: keeper"


TEXTS = {
    "capital-of-france": "The capital of France is",
    "boiling-water": "Water boils at a temperature of",
    "planets": "The planets of the solar system, in order from the Sun, are Mercury, Venus,",
    "photosynthesis": "Photosynthesis is the process by which plants",
    "story": "Once upon a time, in a village at the edge of a great forest, there lived a clockmaker who",
    "java-method": "public static int factorial(int n) {\n    if (n <= 1) {\n        return",
    "python-function": "def fibonacci(n):\n    \"\"\"Return the n-th Fibonacci number.\"\"\"\n",
    "sql": "SELECT customer.name, COUNT(*) AS orders\nFROM customer\nJOIN",
    "json-object": '{"name": "Ada Lovelace", "born": 1815, "fields": ["mathematics", "computing"], "known_for":',
    "html": "<ul>\n  <li>apples</li>\n  <li>pears</li>\n  <li>",
    "shopping-list": "Shopping list:\n1. Bread\n2. Butter\n3. Eggs\n4.",
    "days": "Monday, Tuesday, Wednesday,",
    "counting": "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,",
    "sum": "127 + 456 =",
    "repeat": "tick tock tick tock tick tock tick tock",
    "french": "Le chat est assis sur la table et il regarde",
    "german": "Die Wissenschaft ist die Suche nach",
    "spanish": "Había una vez un niño que quería aprender a",
    "russian": "Москва является столицей",
    "chinese": "北京是中国的",
    "japanese": "昔々、あるところに、おじいさんと",
    "emoji": "I had a great day today 😀🎉👩‍👩‍👧‍👦! We went to the beach 🏖️ and",
    "spaces": "column one      column two\n\n\n   indented\ttabbed   ",
    "one-token": "The",
    "newline": "\n",
    "ledger": _ledger(),
}

CHATS = {
    "chat-fact": [user("What is the capital of Italy?")],
    "chat-system": [SYSTEM, user("Why is the sky blue?")],
    "chat-turns": [
        user("My name is Priya and I keep bees."),
        assistant("Nice to meet you, Priya! How many hives do you have?"),
        user("Four. What was my name again?"),
    ],
    "chat-code": [user("Write a Java method that reverses a string.")],
    "chat-unicode": [user("Translate to English: „Grüß dich, schöne Welt! 🌍“")],
    "chat-list": [SYSTEM, user("List three uses of a paperclip.")],
}
