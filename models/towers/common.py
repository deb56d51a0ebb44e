"""What every exporter does alike. Python's own library alone, so that --help needs no package."""
import hashlib
import json


class ExportError(Exception):
    """What went wrong, in a sentence that says what to do."""


def tell(step, done, total, **more):
    """One line of progress, as `kindred model install` reads it."""
    print(json.dumps({"step": step, "done": done, "total": total, **more}), flush=True)


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 22):
            digest.update(chunk)
    return digest.hexdigest()


def entry(path):
    return {"path": path.name, "sha256": sha256_of(path), "bytes": path.stat().st_size}


def is_made(folder, wanted):
    path = folder / wanted["path"]
    return path.is_file() and path.stat().st_size == wanted["bytes"] and sha256_of(path) == wanted["sha256"]


def write_json(path, value):
    """In one step, so that an interruption leaves the old file or the new one."""
    partial = path.with_name(f"{path.name}.part")
    partial.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(path)


def code_digest(*folders):
    """Of all programs of these folders: what an older version of them made is made anew."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.glob("*.py")):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
