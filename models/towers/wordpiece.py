"""vocab.txt of a BERT as tokenizer.json of the tokenizers library (lower case, as BertTokenizer does by itself)."""
from common import ExportError

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORD_CHARACTERS_MAX = 100
TOKENS_MAX = 250_000


def read_vocabulary(path):
    """→ tokens in the order of their numbers. ExportError when the file is none."""
    tokens = path.read_text(encoding="utf-8").split("\n")
    if tokens[-1] == "":
        tokens.pop()
    missing = [one for one in SPECIAL if one not in tokens]
    if missing or len(tokens) > TOKENS_MAX or len(set(tokens)) < len(tokens):
        raise ExportError(f"{path} is no vocabulary of a BERT: one token a line, no token twice, {', '.join(missing or SPECIAL)} among them")
    return tokens


def tokenizer_json(tokens):
    number = {token: i for i, token in enumerate(tokens)}
    added = [{"id": number[one], "content": one, "single_word": False, "lstrip": False, "rstrip": False,
              "normalized": False, "special": True} for one in SPECIAL]
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": sorted(added, key=lambda one: one["id"]),
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
                       "lowercase": True},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", number["[SEP]"]], "cls": ["[CLS]", number["[CLS]"]]},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": WORD_CHARACTERS_MAX, "vocab": number},
    }
