"""A bundle's tokenizer and text tower in ONNX Runtime."""
import numpy as np

from proof import rounded, session
from wordpiece import SPECIAL

TOKENS_MAX = 512
GOLDEN_TEXTS = ("Lung nodule present", "No pleural effusion present. The heart is enlarged.")


def random_vocabulary(count):
    """Single characters and tokens that no text has."""
    tokens = [*SPECIAL, *(chr(c) for c in range(33, 127)), *("##" + chr(c) for c in range(97, 123))]
    return tokens + [f"[unused{i}]" for i in range(count - len(tokens))]


def encoded(folder, texts):
    """→ ids and mask int64 [texts, tokens], padded to the longest."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(TOKENS_MAX)
    tokenizer.enable_padding(pad_id=tokenizer.token_to_id("[PAD]"), pad_token="[PAD]")
    found = tokenizer.encode_batch(list(texts))
    return [np.array([getattr(one, part) for one in found], np.int64) for part in ("ids", "attention_mask")]


def text_goldens(folder, output, tolerance):
    ids, mask = encoded(folder, GOLDEN_TEXTS)
    vectors = session(folder / "text.onnx").run([output], {"ids": ids, "mask": mask})[0]
    return [{"kind": "text", "text": text, "expected": rounded(one), "tolerance": tolerance} for text, one in zip(GOLDEN_TEXTS, vectors)]
