"""The figures: zero-shot AUROC, text → image recall, same-finding precision. From vectors alone, whoever made them."""
import numpy as np

import texts


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def auroc(scores, truth):
    """Chance that a positive scores above a negative; ties count half. None when there is only one kind."""
    scores, truth = np.asarray(scores, float), np.asarray(truth, bool)
    if truth.all() or not truth.any():
        return None
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    p, n = truth.sum(), (~truth).sum()
    return float((ranks[truth].sum() - p * (p + 1) / 2) / (p * n))


PROMPTS = {"positive": ["{x}.", "There is {x}.", "CT showing {x}."], "negative": ["No {x}.", "There is no {x}.", "CT without {x}."]}


def prompt_vectors(name, embed_texts):
    """Mean of the unit vectors of the prompts, unit length again: aggregate meanVector of the manifest."""
    return [unit(unit(embed_texts([t.replace("{x}", name) for t in PROMPTS[kind]])).mean(0)) for kind in ("positive", "negative")]


def zero_shot(vectors, records, labels, embed_texts):
    """AUROC of each label (key → name) among phantoms whose region can show it, by margin of positive and negative prompt."""
    out = {}
    for key, name in labels.items():
        positive, negative = prompt_vectors(name, embed_texts)
        margin = vectors @ (positive - negative)
        seen = [i for i, r in enumerate(records) if key.split("/")[0] in texts.SEEN_IN[r["region"]]]
        truth = [key in texts.attributes(records[i]) for i in seen]
        value = auroc(margin[seen], truth)
        if value is not None:
            out[key] = round(value, 3)
    return out


def recall(vectors, reports, k, names=None):
    """Part of the reports that find their own picture among the first k; with names, any picture of equal name."""
    order = np.argsort(-(reports @ vectors.T), axis=1)[:, :k]
    if names is None:
        return float(np.mean([i in row for i, row in enumerate(order)]))
    return float(np.mean([any(names[j] == names[i] for j in row) for i, row in enumerate(order)]))


def precision(vectors, records, k):
    """
    Same-finding precision: of the k nearest pictures of the same region, the part that shares a finding of the asking picture;
    mean over the pictures that have the finding, then over findings. Second, the same for k pictures picked at random.
    """
    codes = [{f["code"] for f in r["findings"]} for r in records]
    got, chance = {}, {}
    for i, mine in enumerate(codes):
        pool = [j for j in range(len(codes)) if j != i and records[j]["region"] == records[i]["region"]]
        if len(pool) < k:
            continue
        near = sorted(pool, key=lambda j: -float(vectors[i] @ vectors[j]))[:k]
        for code in mine:
            got.setdefault(code, []).append(np.mean([code in codes[j] for j in near]))
            chance.setdefault(code, []).append(np.mean([code in codes[j] for j in pool]))
    return tuple(float(np.mean([np.mean(v) for v in one.values()])) for one in (got, chance))


LABELS = {code: names[0] for code, names in texts.NAMES.items()}
PLACES = {f"{code}/{place}": f"{place} {texts.NAMES[code][0]}" if place in texts.SIDES else f"{texts.NAMES[code][0]} in the {place}"
          for code, where in (("lung-nodule", texts.LOBES), ("consolidation", texts.LOBES), ("pleural-effusion", texts.SIDES),
                              ("renal-cyst", texts.SIDES), ("rib-fracture", texts.SIDES), ("intracranial-hemorrhage", texts.SIDES))
          for place in where}


def summary(vectors, records, embed_texts):
    reports = unit(embed_texts([r["report"] for r in records]))
    labels, where = (zero_shot(vectors, records, one, embed_texts) for one in (LABELS, PLACES))
    near, chance = precision(vectors, records, 5)
    names = [r["report"] for r in records]
    return {"zeroShotMean": round(float(np.mean(list(labels.values()))), 4), "zeroShot": labels,
            "placesMean": round(float(np.mean(list(where.values()))), 4), "places": where,
            "recall": {str(k): round(recall(vectors, reports, k), 4) for k in (1, 5, 10)},
            "recallAnyEqual10": round(recall(vectors, reports, 10, names), 4),
            "precision5": round(near, 4), "precisionChance": round(chance, 4), "pool": len(records)}
