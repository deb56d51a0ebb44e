"""The WordPiece vocabulary, learned from the training reports and statements. Numbers are split into digits."""
import pathlib

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

import texts
from model import PAD, TOKENS_MAX

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
# Words that people search with and no report holds: a letter more costs little, a word never seen means nothing.
VOCABULARY = 1200


def corpus(records, seed):
    rng = texts.stream(seed, "vocabulary")
    for record in records:
        yield record["report"]
        yield texts.varied_report(record, rng)
    for attribute in texts.LIBRARY * 40:
        yield texts.statement(attribute, rng, rng.random() < 0.5)


def load_or_train(path: pathlib.Path, records, seed):
    if path.exists():
        return Tokenizer.from_file(str(path))
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.BertPreTokenizer(), pre_tokenizers.Digits(individual_digits=True)])
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)] + list("0123456789.,-:;()/%'")
    trainer = trainers.WordPieceTrainer(vocab_size=VOCABULARY, special_tokens=SPECIAL, initial_alphabet=letters, show_progress=False)
    tokenizer.train_from_iterator(corpus(records, seed), trainer)
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", SPECIAL.index("[CLS]")), ("[SEP]", SPECIAL.index("[SEP]"))])
    tokenizer.save(str(path))
    return tokenizer


def encode(tokenizer, lines):
    """ids, mask [texts, tokens], filled up to the longest text."""
    ids = [tokenizer.encode(line).ids[:TOKENS_MAX] for line in lines]
    length = max(map(len, ids))
    out = np.full((len(ids), length), PAD, np.int64)
    for row, one in enumerate(ids):
        out[row, : len(one)] = one
    out = torch.from_numpy(out)
    return out, (out != PAD).long()
