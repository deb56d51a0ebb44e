"""What is said of a phantom: attributes, statements that are true or false of it, and reports in several wordings.

Everything is made from the ground truth of a record (bench/phantom-vle/record.ts); nothing is read off the picture.
"""
import random

LOBES = ["right upper lobe", "right middle lobe", "right lower lobe", "left upper lobe", "left lower lobe"]
SIDES = ["left", "right"]

# Names of each finding; the first one is the label's name in the manifest and in its zero-shot prompts.
NAMES = {
    "lung-nodule": ["lung nodule", "pulmonary nodule", "solid nodule", "nodule"],
    "pleural-effusion": ["pleural effusion", "effusion", "fluid in the pleural space"],
    "emphysema": ["emphysema", "centrilobular emphysema", "pulmonary emphysema"],
    "consolidation": ["consolidation", "lung consolidation", "airspace consolidation", "pulmonary infiltrate"],
    "cardiomegaly": ["cardiomegaly", "enlarged heart", "enlargement of the heart"],
    "arterial-wall-calcification": ["aortic calcification", "calcified plaques of the aorta", "aortic atherosclerosis",
                                    "arterial wall calcification"],
    "liver-lesion": ["liver lesion", "hypodense liver lesion", "focal lesion of the liver", "hepatic lesion"],
    "renal-cyst": ["renal cyst", "kidney cyst", "simple renal cyst", "cyst of the kidney"],
    "rib-fracture": ["rib fracture", "displaced rib fracture", "fracture of a rib"],
    "intracranial-hemorrhage": ["intracranial hemorrhage", "intracerebral hemorrhage", "cerebral haemorrhage", "brain bleeding"],
    "hydrocephalus": ["hydrocephalus", "widened ventricles", "enlargement of the ventricles"],
}
CODES = list(NAMES)
REGIONS = {"chest": ["chest", "thorax"], "abdomen": ["abdomen"], "chest-abdomen": ["chest and abdomen"],
           "head": ["head", "brain"]}
# Findings that can be seen in a region at all.
SEEN_IN = {
    "head": ["intracranial-hemorrhage", "hydrocephalus"],
    "chest": CODES[:6] + ["rib-fracture"],
    "abdomen": ["arterial-wall-calcification", "liver-lesion", "renal-cyst"],
}
SEEN_IN["chest-abdomen"] = [c for c in CODES if c in SEEN_IN["chest"] + SEEN_IN["abdomen"]]


def places(finding):
    """Words for where a finding is: side and lobe."""
    return [finding[k] for k in ("side", "lobe") if k in finding]


def size_class(finding):
    if finding["code"] == "pleural-effusion":
        return "large" if finding["volumeMl"] >= 700 else "moderate" if finding["volumeMl"] >= 300 else "small"
    if finding["code"] == "arterial-wall-calcification":
        return "extensive" if finding["plaques"] > 20 else "scattered"
    if finding["code"] in ("lung-nodule", "liver-lesion", "renal-cyst", "consolidation", "intracranial-hemorrhage"):
        low, high = {"lung-nodule": (14, 20), "consolidation": (50, 65), "liver-lesion": (26, 38), "renal-cyst": (33, 46),
                     "intracranial-hemorrhage": (24, 34)}[finding["code"]]
        return "large" if finding["diameterMm"] >= high else "small" if finding["diameterMm"] < low else None
    return None


def attributes(record):
    """Everything that statements can be true of: "lung-nodule", "lung-nodule/left", "pleural-effusion/left/large", …"""
    out = {f"contrast/{'with' if record['isContrastEnhanced'] else 'without'}", f"region/{record['region']}"}
    if record["region"] == "chest-abdomen":
        out |= {"region/chest", "region/abdomen"}
    for finding in record["findings"]:
        code, size = finding["code"], size_class(finding)
        out.add(code)
        out |= {f"{code}/{place}" for place in places(finding)}
        if size:
            out.add(f"{code}/{size}")
            out |= {f"{code}/{place}/{size}" for place in places(finding)}
    return frozenset(out)


def phrase(attribute, rng):
    """Words for an attribute, without a verb."""
    code, *rest = attribute.split("/")
    if code == "contrast":
        return f"CT {rest[0]} intravenous contrast"
    if code == "region":
        return f"CT of the {rng.choice(REGIONS[rest[0]])}"
    name = rng.choice(NAMES[code][:1] * 2 + NAMES[code])
    for word in rest:
        if word in SIDES:
            name = rng.choice([f"{word} {name}", f"{name} on the {word}", f"{word}-sided {name}"])
        elif word in LOBES:
            name = f"{name} {rng.choice(['in', 'of'])} the {word}"
        else:
            name = f"{word} {name}"
    return name


POSITIVE = ["{x}.", "There is {x}.", "CT showing {x}.", "{x}", "{x} is present."]
NEGATIVE = ["No {x}.", "There is no {x}.", "CT without {x}.", "no {x}", "{x} is not present."]


def statement(attribute, rng, positive=True):
    return rng.choice(POSITIVE if positive else NEGATIVE).replace("{x}", phrase(attribute, rng))


# Attributes that statements are made of; the plain finding often, every place of it, sizes more rarely.
LIBRARY = []
for _code in CODES:
    LIBRARY += [_code] * 4
    if _code in ("lung-nodule", "consolidation"):
        LIBRARY += [f"{_code}/{place}" for place in LOBES + SIDES]
    if _code in ("pleural-effusion", "renal-cyst", "rib-fracture", "intracranial-hemorrhage"):
        LIBRARY += [f"{_code}/{place}" for place in SIDES] * 2
    if _code not in ("emphysema", "cardiomegaly", "rib-fracture", "hydrocephalus", "arterial-wall-calcification"):
        LIBRARY += [f"{_code}/large", f"{_code}/small"]
LIBRARY += [f"pleural-effusion/{side}/large" for side in SIDES] + ["arterial-wall-calcification/extensive"]
LIBRARY += ["contrast/with", "contrast/without"] + [f"region/{region}" for region in REGIONS]


# What the first stage of training tells of a picture, each once.
TOLD = sorted(set(LIBRARY) | {f"{c}/{place}/large" for c in ("lung-nodule", "renal-cyst") for place in SIDES})


def told(record):
    """[2][TOLD]: what is true of the record, and what can be seen in its region at all."""
    true, seen = attributes(record), SEEN_IN[record["region"]] + ["contrast", "region"]
    return [[float(a in true) for a in TOLD], [float(a.split("/")[0] in seen) for a in TOLD]]


def ordinal(n):
    return f"{n}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(n, 'th') }"


def sentence(finding, rng):
    """One finding in one of several wordings; the first is that of src/phantom/report-text.ts."""
    f, code = finding, finding["code"]
    if code == "lung-nodule":
        return rng.choice([f"Solid nodule of {f['diameterMm']} mm in the {f['lobe']}.",
                           f"Pulmonary nodule in the {f['lobe']} measuring {f['diameterMm']} mm.",
                           f"{f['diameterMm']} mm lung nodule, {f['lobe']}."])
    if code == "pleural-effusion":
        size = size_class(f)
        return rng.choice([f"{size.capitalize()} {f['side']} pleural effusion of about {f['volumeMl']} mL with passive atelectasis.",
                           f"{size.capitalize()} pleural effusion on the {f['side']}.",
                           f"{f['side'].capitalize()} pleural effusion, about {f['volumeMl']} mL."])
    if code == "emphysema":
        return rng.choice([f"Centrilobular emphysema, most in the upper lobes, involving about {f['lungPercent']} percent of the lungs.",
                           f"Emphysema of about {f['lungPercent']} percent of the lungs.", "Centrilobular emphysema."])
    if code == "consolidation":
        return rng.choice([f"Consolidation of {f['diameterMm']} mm with ground-glass margin in the {f['lobe']}.",
                           f"Airspace consolidation in the {f['lobe']}, {f['diameterMm']} mm.", f"Consolidation of the {f['lobe']}."])
    if code == "cardiomegaly":
        return rng.choice(["The heart is enlarged.", "Cardiomegaly.", "Enlargement of the heart."])
    if code == "arterial-wall-calcification":
        word = size_class(f).capitalize()
        return rng.choice([f"{word} calcified plaques of the aorta.", f"{word} aortic calcification.", "Aortic atherosclerosis."])
    if code == "liver-lesion":
        return rng.choice([f"Hypodense lesion of {f['diameterMm']} mm in the right lobe of the liver.",
                           f"Focal liver lesion measuring {f['diameterMm']} mm.", f"{f['diameterMm']} mm hypodense hepatic lesion."])
    if code == "renal-cyst":
        return rng.choice([f"Simple cyst of {f['diameterMm']} mm of the {f['side']} kidney.",
                           f"{f['side'].capitalize()} renal cyst, {f['diameterMm']} mm.", f"Kidney cyst on the {f['side']}."])
    if code == "rib-fracture":
        return rng.choice([f"Displaced fracture of the {ordinal(f['rib'])} rib on the {f['side']}.",
                           f"Fracture of the {f['side']} {ordinal(f['rib'])} rib."])
    if code == "intracranial-hemorrhage":
        return rng.choice([f"Hyperdense hemorrhage of {f['diameterMm']} mm in the {f['side']} basal ganglia with a rim of edema.",
                           f"{f['side'].capitalize()} intracerebral hemorrhage of {f['diameterMm']} mm."])
    return rng.choice(["The lateral and third ventricles are widened, the sulci narrow.", "Hydrocephalus.", "Widened ventricles."])


def varied_report(record, rng):
    """A report in another wording and order; what is normal is told in part."""
    contrast = "with" if record["isContrastEnhanced"] else "without"
    head = f"CT of the {REGIONS[record['region']][0]} {contrast} intravenous contrast."
    body = [sentence(finding, rng) for finding in record["findings"]]
    present = {finding["code"] for finding in record["findings"]}
    absent = [code for code in SEEN_IN[record["region"]] if code not in present]
    body += [f"No {rng.choice(NAMES[code])}." for code in absent if rng.random() < 0.6]
    rng.shuffle(body)
    return " ".join([head] * (rng.random() < 0.9) + body) or head


def perturbed(record, rng):
    """The record with one thing made wrong: another side or lobe or size, a finding too many or too few."""
    findings = [dict(finding) for finding in record["findings"]]
    wrong = dict(record, findings=findings)
    addable = [c for c in SEEN_IN[record["region"]] if c not in {f["code"] for f in findings}]
    kind = rng.choice(["drop", "place", "size", "add"])
    if kind == "drop" and findings:
        findings.pop(rng.randrange(len(findings)))
        return wrong
    placed = [f for f in findings if places(f)]
    if kind == "place" and placed:
        finding = rng.choice(placed)
        if "lobe" in finding:
            finding["lobe"] = rng.choice([lobe for lobe in LOBES if lobe != finding["lobe"]])
            finding["side"] = finding["lobe"].split()[0]
        else:
            finding["side"] = "left" if finding["side"] == "right" else "right"
        return wrong
    sized = [f for f in findings if "diameterMm" in f or "volumeMl" in f]
    if kind == "size" and sized:
        finding = rng.choice(sized)
        key = "diameterMm" if "diameterMm" in finding else "volumeMl"
        factor = rng.choice([0.45, 0.55, 1.8, 2.2])
        finding[key] = max(8, round(finding[key] * factor)) if key == "diameterMm" else max(100, round(finding[key] * factor, -1))
        return wrong
    if addable:
        findings.append(invented(rng.choice(addable), rng))
    elif findings:
        findings.pop(rng.randrange(len(findings)))
    return wrong


def invented(code, rng):
    """A finding of that code with the numbers that a sentence needs."""
    lobe, side = rng.choice(LOBES), rng.choice(SIDES)
    low, high = {"lung-nodule": (8, 28), "consolidation": (35, 80), "liver-lesion": (14, 50), "renal-cyst": (20, 60),
                 "intracranial-hemorrhage": (16, 42)}.get(code, (10, 40))
    finding = {"code": code, "side": side, "diameterMm": rng.randint(low, high), "volumeMl": rng.randint(10, 120) * 10,
               "plaques": rng.randint(6, 36), "lungPercent": rng.randint(8, 40), "rib": rng.randint(4, 9)}
    if code in ("lung-nodule", "consolidation"):
        finding |= {"lobe": lobe, "side": lobe.split()[0]}
    return finding


def stream(*parts):
    """A random stream of its own for each name."""
    return random.Random("/".join(map(str, parts)))
