package dev.skein.cli.model.hub;

import dev.skein.cli.CommandException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// Which files of a model a server needs.
///
/// @param variant the quantization of GGUF files; empty for the safetensors of a whole folder
/// @param entry the file that a server opens; empty for the folder
/// @param files to fetch, all of them
record Selection(String variant, String entry, List<HubFile> files) {
    private static final String GGUF = ".gguf";
    private static final String SAFETENSORS = ".safetensors";

    private static final Pattern PART = Pattern.compile("(.*)-(\\d{5})-of-(\\d{5})");
    private static final Pattern QUANT = Pattern.compile(
            "(?i)(?:^|[-._/])((?:UD-)?(?:IQ\\d|TQ\\d|Q\\d|MXFP4|BF16|FP16|F16|FP32|F32)(?:_[A-Z0-9]+)*)(?=$|[-./])");

    /// Which quantization is taken where none is named: llama.cpp's default, then what is near it, then what is larger.
    private static final List<String> PREFERRED = List.of(
            "Q4_K_M", "Q4_K_S", "Q4_1", "Q4_0", "Q5_K_M", "Q5_K_S", "Q6_K", "Q8_0", "Q3_K_M", "BF16", "F16", "F32");

    /// What stands beside the weights and says how to run them; those not there are not missed.
    private static final Set<String> BESIDE = Set.of(
            "config.json",
            "generation_config.json",
            "special_tokens_map.json",
            "added_tokens.json",
            "vocab.json",
            "vocab.txt",
            "merges.txt",
            "tokenizer.model",
            "chat_template.jinja",
            "chat_template.json",
            "quantize_config.json",
            "quant_config.json",
            "hf_quant_config.json",
            "modules.json",
            "sentence_bert_config.json",
            "config_sentence_transformers.json",
            "1_Pooling/config.json");

    Selection {
        files = List.copyOf(files);
    }

    /// Safetensors if there are any and no quantization is asked for, else GGUF.
    ///
    /// @throws CommandException telling what there is instead
    static Selection of(HubName model, Listing listing) {
        List<HubFile> weights = weights(listing);
        Map<String, List<HubFile>> ggufs = ggufs(listing);
        if (model.quant() != null) {
            return quantized(model, named(model, model.quant(), ggufs), ggufs);
        }
        if (!weights.isEmpty()) {
            return folder(model, listing, weights);
        }
        if (ggufs.isEmpty()) {
            throw nothing(model, listing);
        }
        return quantized(model, preferred(ggufs), ggufs);
    }

    /// Whether a GGUF file is of that quantization, by its name or its folder's.
    static boolean matches(String path, String quant) {
        return Pattern.compile("(?i)(^|[-._/])" + Pattern.quote(quant) + "($|[-./])")
                .matcher(stem(path))
                .find();
    }

    // --- Safetensors ---

    /// Some models carry the same weights a second time, under the names of their makers' own format.
    private static List<HubFile> weights(Listing listing) {
        List<HubFile> all = select(listing, file -> file.atRoot() && file.path().endsWith(SAFETENSORS));
        List<HubFile> usual =
                all.stream().filter(file -> file.path().startsWith("model")).toList();
        return usual.isEmpty() ? all : usual;
    }

    private static Selection folder(HubName model, Listing listing, List<HubFile> weights) {
        if (listing.files().stream().noneMatch(file -> file.path().equals("config.json"))) {
            throw CommandException.failed(model + " has " + weights.getFirst().path()
                    + " and no config.json, so it is no whole model" + (isAdapter(weights) ? " but an adapter" : ""));
        }
        List<HubFile> files = new ArrayList<>(weights);
        files.addAll(select(listing, Selection::isBeside));
        return new Selection("", "", files);
    }

    private static boolean isAdapter(List<HubFile> weights) {
        return weights.getFirst().path().startsWith("adapter");
    }

    private static boolean isBeside(HubFile file) {
        String path = file.path();
        boolean tokenizer = file.atRoot() && path.startsWith("tokenizer") && path.endsWith(".json");
        return BESIDE.contains(path) || tokenizer || file.atRoot() && path.endsWith(SAFETENSORS + ".index.json");
    }

    // --- GGUF ---

    /// Files by what their names are without the number of the part: those of one key are one model.
    private static Map<String, List<HubFile>> ggufs(Listing listing) {
        return select(listing, Selection::isGguf).stream()
                .collect(Collectors.groupingBy(file -> stem(file.path()), TreeMap::new, Collectors.toList()));
    }

    /// Projectors of pictures and tables of importance are GGUF files too, and no models.
    private static boolean isGguf(HubFile file) {
        String name = file.name().toLowerCase(Locale.ROOT);
        return name.endsWith(GGUF) && !name.contains("mmproj") && !name.contains("imatrix");
    }

    private static String stem(String path) {
        String bare =
                path.toLowerCase(Locale.ROOT).endsWith(GGUF) ? path.substring(0, path.length() - GGUF.length()) : path;
        Matcher part = PART.matcher(bare);
        return part.matches() ? part.group(1) : bare;
    }

    private static String named(HubName model, String quant, Map<String, List<HubFile>> ggufs) {
        return ggufs.keySet().stream()
                .filter(stem -> matches(stem, quant))
                .min(shortest())
                .orElseThrow(() -> CommandException.failed(
                        ggufs.isEmpty()
                                ? model.id() + " has no GGUF files, so there is no '" + quant + "' of it; leave it out"
                                : model.id() + " has no '" + quant + "'; there are " + variants(ggufs)));
    }

    private static String preferred(Map<String, List<HubFile>> ggufs) {
        return PREFERRED.stream()
                .flatMap(quant -> ggufs.keySet().stream().filter(stem -> matches(stem, quant)).min(shortest()).stream())
                .findFirst()
                .orElse(ggufs.keySet().iterator().next());
    }

    /// Of several names that fit, the one with the least beside it.
    private static Comparator<String> shortest() {
        return Comparator.comparingInt(String::length).thenComparing(Comparator.naturalOrder());
    }

    private static Selection quantized(HubName model, String stem, Map<String, List<HubFile>> ggufs) {
        List<HubFile> parts = ggufs.getOrDefault(stem, List.of()).stream()
                .sorted(Comparator.comparing(HubFile::path))
                .toList();
        checkWhole(model, parts);
        return new Selection(variant(stem), parts.getFirst().path(), parts);
    }

    private static void checkWhole(HubName model, List<HubFile> parts) {
        for (int i = 0; i < parts.size(); i++) {
            String path = parts.get(i).path();
            Matcher part = PART.matcher(path.substring(0, path.length() - GGUF.length()));
            int count = part.matches() ? Integer.parseInt(part.group(3)) : 1;
            int number = part.matches() ? Integer.parseInt(part.group(2)) : 1;
            if (count != parts.size() || number != i + 1) {
                throw CommandException.failed(model + " is split into " + count + " files and the hub lists "
                        + parts.size() + " of them: " + path + " is not whole");
            }
        }
    }

    /// What a file's name says its quantization is; the whole name where it says nothing.
    static String variant(String path) {
        Matcher quant = QUANT.matcher(stem(path));
        @Nullable String last = null;
        for (int from = 0; quant.find(from); from = quant.end()) {
            last = quant.group(1);
        }
        String stem = stem(path);
        return last != null ? last : stem.substring(stem.lastIndexOf('/') + 1).replaceAll("[^\\w.-]", "-");
    }

    private static String variants(Map<String, List<HubFile>> ggufs) {
        Set<String> names = new TreeSet<>();
        ggufs.forEach((stem, files) -> names.add(Words.printable(variant(stem)) + size(files)));
        return String.join(", ", names);
    }

    private static String size(List<HubFile> files) {
        return files.stream().anyMatch(file -> file.size() < 0)
                ? ""
                : " (" + Words.size(files.stream().mapToLong(HubFile::size).sum()) + ")";
    }

    // --- Neither ---

    private static CommandException nothing(HubName model, Listing listing) {
        String others = select(
                        listing,
                        file -> file.path()
                                .toLowerCase(Locale.ROOT)
                                .matches(".*\\.(bin|pth?|onnx|safetensors|npz|h5|msgpack)"))
                .stream()
                .limit(3)
                .map(file -> Words.printable(file.path()))
                .collect(Collectors.joining(", "));
        return CommandException.failed(model + " has no safetensors and no GGUF files at its root"
                + (others.isEmpty() ? "" : ", but " + others) + "; other formats are not read");
    }

    private static List<HubFile> select(Listing listing, Predicate<HubFile> wanted) {
        return listing.files().stream().filter(wanted).toList();
    }
}
