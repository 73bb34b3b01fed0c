"""The sampler's semantics in float64, and the cases that pin them down.

The order is: logit_bias (clamped to [-100, 100]) -> repetition, frequency, presence penalty -> temperature -> min_p ->
top_k -> top_p. It and the definitions are those of vLLM's sampler:

- repetition penalty: once for each token of prompt or output; a logit above 0 is divided, any other multiplied;
- frequency and presence: output tokens only;
- temperature below 1e-5 is greedy: all mass on the best id (the lowest of equal ones), top_k, top_p and min_p play no
  part; from there up to 0.01 it is raised to 0.01;
- min_p drops p < min_p * max(p);
- top_k keeps the k best and everything equal to the k-th; 0 and -1 turn it off;
- top_p works on what is left, normalised again: ascending, drop while the running sum is <= 1 - top_p, keep the best.
"""

import math

import numpy as np

DEFAULTS = {
    "temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0,
    "frequency_penalty": 0.0, "presence_penalty": 0.0, "logit_bias": {},
}
CLOSE = 1e-5  # no case may stand this near to a bound: float32 must decide as float64 does


def distribution(logits, prompt, output, params):
    """The probabilities from which the sampler draws, as float64."""
    params = DEFAULTS | params
    scores = np.array(logits, dtype=np.float64)
    for token, bias in params["logit_bias"].items():
        scores[int(token)] += min(100.0, max(-100.0, bias))
    scores = _penalise(scores, prompt, output, params)
    temperature = params["temperature"]
    if temperature < 1e-5:
        greedy = np.zeros_like(scores)
        greedy[int(np.argmax(scores))] = 1.0
        return greedy
    scores /= max(temperature, 0.01)
    scores = _min_p(scores, params["min_p"])
    scores = _top_k(scores, params["top_k"])
    return softmax(_top_p(scores, params["top_p"]))


def softmax(scores):
    weights = np.exp(scores - scores.max())
    return weights / weights.sum()


def _penalise(scores, prompt, output, params):
    scores = scores.copy()
    for token in set(prompt) | set(output):
        penalty = params["repetition_penalty"]
        scores[token] = scores[token] / penalty if scores[token] > 0 else scores[token] * penalty
    for token in set(output):
        scores[token] -= params["frequency_penalty"] * output.count(token) + params["presence_penalty"]
    return scores


def _min_p(scores, min_p):
    if min_p == 0:
        return scores
    share = softmax(scores) / softmax(scores).max()
    _clear(share[share != 1.0], min_p)
    return np.where(share < min_p, -np.inf, scores)


def _top_k(scores, top_k):
    if top_k in (0, -1) or top_k >= len(scores):
        return scores
    return np.where(scores < np.sort(scores)[-top_k], -np.inf, scores)


def _top_p(scores, top_p):
    if top_p == 1:
        return scores
    ascending = np.argsort(scores, kind="stable")
    running = np.cumsum(softmax(scores)[ascending])
    dropped = running <= 1 - top_p
    dropped[-1] = False
    _clear(running[:-1], 1 - top_p)
    edge = int(np.sum(dropped))
    if 0 < edge and scores[ascending[edge - 1]] == scores[ascending[edge]]:
        raise AssertionError("a tie stands on the edge of top_p: which of the two is dropped is not defined")
    kept = scores.copy()
    kept[ascending[dropped]] = -np.inf
    return kept


def _clear(values, bound):
    if np.any(np.abs(values - bound) < CLOSE * max(bound, CLOSE)):
        raise AssertionError(f"a value stands too close to the bound {bound}")


def cases(seed=20240607, vocabulary=50):
    """Fixed edge cases, then random mixtures; logits are multiples of 1/64, exact in float32 and short in JSON."""
    random = np.random.default_rng(seed)

    def logits(scale=3.0):
        return [float(x) for x in np.round(random.normal(0, scale, vocabulary) * 64) / 64]

    made = []

    def case(name, params, values=None, prompt=(), output=()):
        values = logits() if values is None else values
        probabilities = distribution(values, list(prompt), list(output), params)
        assert math.isclose(probabilities.sum(), 1.0, abs_tol=1e-12)
        made.append({
            "name": name, "params": params, "prompt": list(prompt), "output": list(output), "logits": values,
            # A long tail of digits would say nothing: float32 cannot hold more than eight.
            "probabilities": [float(f"{p:.10g}") for p in probabilities],
        })

    tied = [1.0] * 5 + [2.0] * 4 + [0.5] * 41
    history = {"prompt": [3, 3, 7, 11], "output": [7, 20, 20, 20, 31]}
    case("defaults", {})
    case("greedy", {"temperature": 0})
    case("greedy ignores the filters", {"temperature": 0, "top_k": 3, "top_p": 0.2, "min_p": 0.5})
    case("greedy takes the lowest of equal ids", {"temperature": 0}, tied)
    case("greedy after penalties", {"temperature": 0, "repetition_penalty": 5.0}, **history)
    case("greedy after bias", {"temperature": 0, "logit_bias": {"17": 40}})
    case("temperature just under the greedy bound", {"temperature": 0.000009})
    case("temperature just over the greedy bound is raised", {"temperature": 0.00002})
    case("temperature 0.005 is raised to 0.01", {"temperature": 0.005})
    case("temperature 0.01", {"temperature": 0.01})
    case("temperature 0.7", {"temperature": 0.7})
    case("temperature 2", {"temperature": 2.0})
    case("top_k 1", {"top_k": 1})
    case("top_k 1 with a tie at the top", {"top_k": 1}, tied)
    case("top_k 6 with a tie at rank 6", {"top_k": 6}, tied)
    case("top_k 4 with a tie that ends at rank 4", {"top_k": 4}, tied)
    case("top_k -1 is off", {"top_k": -1})
    case("top_k of the vocabulary", {"top_k": vocabulary})
    case("top_k above the vocabulary", {"top_k": 100000})
    case("top_k all equal", {"top_k": 3}, [0.25] * vocabulary)
    case("top_p 1e-6", {"top_p": 1e-6})
    case("top_p 0.1", {"top_p": 0.1})
    case("top_p 0.5", {"top_p": 0.5})
    case("top_p 0.95", {"top_p": 0.95})
    case("top_p 0.999", {"top_p": 0.999})
    case("top_p keeps all of a flat top", {"top_p": 0.9}, [5.0, 5.0] + [-4.0] * 48)
    case("min_p 1", {"min_p": 1.0})
    case("min_p 1 keeps equal best ones", {"min_p": 1.0}, tied)
    case("min_p 0.05", {"min_p": 0.05})
    case("min_p looks at tempered shares", {"min_p": 0.2, "temperature": 1.9})
    case("min_p then top_k then top_p", {"min_p": 0.02, "top_k": 8, "top_p": 0.8})
    case("top_p is over what top_k left", {"top_k": 5, "top_p": 0.7}, logits(0.5))
    case("repetition penalty", {"repetition_penalty": 1.3}, **history)
    case("repetition penalty below 1", {"repetition_penalty": 0.5}, **history)
    case("repetition penalty counts a token once", {"repetition_penalty": 1.5}, prompt=[4, 4, 4], output=[4, 4])
    case("repetition penalty of a zero logit", {"repetition_penalty": 2.0}, [0.0] * 25 + [1.0] * 25, [0, 30], [1])
    case("frequency penalty", {"frequency_penalty": 1.25}, **history)
    case("frequency penalty negative", {"frequency_penalty": -2.0}, **history)
    case("frequency penalty leaves the prompt alone", {"frequency_penalty": 2.0}, prompt=[1, 2, 2])
    case("presence penalty", {"presence_penalty": 1.5}, **history)
    case("presence penalty negative", {"presence_penalty": -2.0}, **history)
    case("all penalties", {"repetition_penalty": 1.2, "frequency_penalty": 0.5, "presence_penalty": 0.25}, **history)
    case("bias up and down", {"logit_bias": {"0": 5, "49": -100, "25": 0.5}})
    case("bias is clamped", {"logit_bias": {"10": 1000, "11": 99.5}})
    case("bias comes before penalties", {"logit_bias": {"7": 30}, "repetition_penalty": 2.0}, **history)
    case("bias below zero turns the penalty round", {"logit_bias": {"7": -30}, "repetition_penalty": 2.0}, **history)
    case("one id allowed by bias", {"logit_bias": {str(i): -100 for i in range(vocabulary) if i != 33}})
    case("everything at once", {
        "temperature": 0.8, "top_k": 20, "top_p": 0.9, "min_p": 0.01, "repetition_penalty": 1.1,
        "frequency_penalty": 0.3, "presence_penalty": 0.2, "logit_bias": {"5": 2.5, "6": -2.5},
    }, **history)
    for number in range(16):
        case(f"random mixture {number}", {
            "temperature": round(float(random.uniform(0.2, 2.0)), 3),
            "top_k": int(random.integers(0, 30)),
            "top_p": round(float(random.uniform(0.3, 1.0)), 3),
            "min_p": round(float(random.choice([0.0, random.uniform(0, 0.2)])), 4),
            "repetition_penalty": round(float(random.uniform(0.8, 1.6)), 3),
            "frequency_penalty": round(float(random.uniform(-1, 2)), 3),
            "presence_penalty": round(float(random.uniform(-1, 2)), 3),
            "logit_bias": {str(int(i)): round(float(random.uniform(-5, 5)), 2) for i in random.integers(0, 50, 3)},
        }, prompt=[int(i) for i in random.integers(0, 50, 6)], output=[int(i) for i in random.integers(0, 50, 8)])
    return made
