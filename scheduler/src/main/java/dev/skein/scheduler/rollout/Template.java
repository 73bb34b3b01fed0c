package dev.skein.scheduler.rollout;

import dev.skein.scheduler.lifecycle.Policy;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/// What each group of a deployment is made of. A change of it is a new revision.
///
/// @param key the revision: the same for templates that are alike, whenever they were given
/// @param model names the model for people
/// @param size ranks of a group
/// @param tensor ranks of a stage: so many consecutive ones belong on one host; divides the size
/// @param parameters what each rank is told at its start; only the rank itself reads it
/// @param needs what a group takes of the machine
/// @param policy how patient its lifecycle is
public record Template(String key, String model, int size, int tensor, String parameters, Needs needs, Policy policy) {
    private static final int KEY_DIGITS = 10;

    public Template {
        if (size < 1 || tensor < 1 || size % tensor != 0) {
            throw new IllegalArgumentException("size is " + size + " with stages of " + tensor
                    + " ranks; a group has at least 1 rank, and a whole number of stages");
        }
    }

    /// A group whose ranks are a stage each.
    public Template(String model, int size, String parameters, Needs needs, Policy policy) {
        this(model, size, 1, parameters, needs, policy);
    }

    public Template(String model, int size, int tensor, String parameters, Needs needs, Policy policy) {
        this(
                digest(String.join(
                        "\n",
                        model,
                        size + " in stages of " + tensor,
                        parameters,
                        needs.toString(),
                        policy.toString())),
                model,
                size,
                tensor,
                parameters,
                needs,
                policy);
    }

    private static String digest(String text) {
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
            return HexFormat.of().formatHex(digest).substring(0, KEY_DIGITS);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("this Java has no SHA-256", e);
        }
    }
}
