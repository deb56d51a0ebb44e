"""A large file over HTTPS that goes on where an earlier try ended."""
import pathlib
import urllib.error
import urllib.request

from common import ExportError, tell

TIMEOUT_SECONDS = 30
CHUNK = 1 << 22


def download(url, path: pathlib.Path, bytes_max):
    """→ the path. ExportError with what to do when it cannot be had. No credentials are sent."""
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.part")
    start = partial.stat().st_size if partial.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
            goes_on = answer.status == 206
            length = int(answer.headers.get("Content-Length", 0)) + (start if goes_on else 0)
            if length > bytes_max:
                raise ExportError(f"{url} is larger than expected ({length} bytes): it is another file")
            with open(partial, "ab" if goes_on else "wb") as file:
                while chunk := answer.read(CHUNK):
                    file.write(chunk)
                    if file.tell() > bytes_max:
                        raise ExportError(f"{url} is larger than expected: it is another file")
                    tell(f"getting {path.name}", 0, 5, bytes=file.tell())
    except urllib.error.HTTPError as error:
        raise ExportError(f"{url} answers {error.code}: get the file by hand and give it with --weights") from None
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise ExportError(f"{url} is out of reach ({reason}): get the file elsewhere and give it with --weights") from None
    if length and partial.stat().st_size != length:
        raise ExportError(f"{url} ended early: run this again, it goes on from there")
    partial.replace(path)
    return path
