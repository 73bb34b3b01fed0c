package dev.skein.worker.model;

import java.util.function.Function;

/** The families of models that are computed here, each with its description. */
public enum Family {
    LLAMA("llama", Llama::of),
    MISTRAL("mistral", Mistral::of),
    MIXTRAL("mixtral", Mixtral::of),
    QWEN2("qwen2", Qwen2::of),
    QWEN3("qwen3", Qwen3::of),
    QWEN3_MOE("qwen3moe", Qwen3Moe::of),
    GEMMA3("gemma3", Gemma3::of),
    BERT("bert", Bert::of);

    private final String label;
    private final Function<Parts, Network> description;

    Family(String label, Function<Parts, Network> description) {
        this.label = label;
        this.description = description;
    }

    /** Its name for people. */
    public String label() {
        return label;
    }

    /** Puts a model together. Only what parts are asked for depends on anything, and that on their config alone. */
    Network network(Parts parts) {
        return description.apply(parts);
    }
}
