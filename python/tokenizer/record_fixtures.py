"""Records test/fixtures/tokenizer: small tokenizers in both formats, and ids of odd prompts.

python -m tokenizer.record_fixtures --out ../test/fixtures/tokenizer

Needs two packages that nothing else here does: pip install sentencepiece==0.2.3 tokenizers==0.23.3

`small` has the traits of PaliGemma's that matter to an id: byte-pair encoding with byte fallback,
spaces kept as they are, newlines and runs of spaces as pieces of their own, <bos> = 2. `tiny` has
no bytes, so that its ids fit into the vocabulary of test/fixtures/pi0. The ids are those of the two
libraries that openpi and LeRobot call, with the lines around those calls.
"""

import argparse
import io
import json
import random
from pathlib import Path

import sentencepiece
import tokenizers
from sentencepiece import sentencepiece_model_pb2 as protobuf
from tokenizers import Tokenizer, decoders, models, normalizers, processors

PROMPT_LENGTH = 100
VOCABULARY = {"small": 460, "tiny": 60}  # 256 of the small one's are bytes
WORDS = (
    "pick up the black bowl between the plate and the ramekin and place it on the plate next to "
    "the cookie box from table center top of wooden cabinet in the drawer on the stove open the "
    "middle drawer of the cabinet put the wine bottle on top of the rack push turn on both moka "
    "pots close the microwave alphabet soup tomato sauce basket left right compartment of the caddy"
).split()
ALPHABET = "abc de\n\t_▁<>0xéß日本😀\u0301\u200b\x00"
ODD = [
    *("", "a", " ", "  ", "\n", "\n\n", "\n\n\n", "\t", "\r\n", "a b", "a  b", "a   b", "a    b"),
    *(" leading", "trailing ", "  both  ", "pick_up_the_bowl", "pick up\nthe bowl", "ends\n"),
    *("_", "_a_", " _ ", "\n_\n", "   \n   ", "a\tb\t\tc", "\x85nel\x85", "\x1cfs\x1c", "\xa0nb\xa0"),
    *("\ufeffbom\ufeff", "\u3000wide\u3000", "\u2028line", "\u200bzero\u200b", "\u205fmath\u205f"),
    *("\x00", "a\x00b", "\x01\x02", "\x7f", "\x80", "\uffff", "\U0010ffff", "\ue000"),
    *("▁", "▁a ▁ b", "a▁b", "▁▁", "naïve café", "cafe\u0301", "ﬁ ｆｕｌｌ Å", "\u0301\u0301"),
    *("日本語のテキスト", "한국어", "עברית", "العربية", "हिन्दी", "ไทย", "тест", "Ωμέγα", "𝕳𝖊𝖑𝖑𝖔"),
    *("emoji 😀👍🏽", "👨‍👩‍👧‍👦", "🤖 pick", "\U0001f600" * 20, "é" * 40, "a" * 300, "ab" * 200),
    *("<eos>", "<bos>", "<pad>", "<unk>", "a<eos>b", " <eos> ", "<eos><eos>", "<0x41>", "<0xE2>"),
    *("</s>", "<s>", "[CLS]", "&amp;", "\\n", "'\"`", "{}[]()", "~!@#$%^&*", "3.14159", "12345678"),
    *("UPPER lower MiXeD", "Don't stop.", "the" * 60, "the " * 60, "__proto__", "constructor"),
]


def train(vocabulary: int) -> bytes:
    """A SentencePiece model, as bytes of its .model file."""
    rng = random.Random(1)
    lines = [" ".join(rng.choices(WORDS, k=rng.randint(3, 12))) for _ in range(2000)]
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=out,
        model_type="bpe",
        vocab_size=vocabulary,
        byte_fallback=vocabulary > 256,
        normalization_rule_name="identity",
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        user_defined_symbols=["\n", "\n\n", "▁▁", "▁▁▁"],
        **{"pad_id": 0, "eos_id": 1, "bos_id": 2, "unk_id": 3},
        **{"pad_piece": "<pad>", "eos_piece": "<eos>", "bos_piece": "<bos>"},
        num_threads=1,
        minloglevel=2,
    )
    model = protobuf.ModelProto.FromString(out.getvalue())
    for field in ("input", "model_prefix", "self_test_sample_size"):
        model.trainer_spec.ClearField(field)
    return model.SerializeToString(deterministic=True)


def convert(proto: bytes) -> Tokenizer:
    """The same pieces as Hugging Face's format, in the manner of Gemma's tokenizer.json."""
    pieces = protobuf.ModelProto.FromString(proto).pieces
    kind = protobuf.ModelProto.SentencePiece
    ids = {piece.piece: i for i, piece in enumerate(pieces)}
    merges = []
    # Pieces of the user's come first, as in Gemma's file: runs of spaces and newlines are merged.
    for piece in sorted(pieces, key=lambda piece: piece.type != kind.USER_DEFINED):
        if piece.type not in (kind.NORMAL, kind.USER_DEFINED):
            continue
        text = piece.piece
        splits = [(text[:i], text[i:]) for i in range(1, len(text))]
        pairs = [pair for pair in splits if pair[0] in ids and pair[1] in ids]
        merges += sorted(pairs, key=lambda pair: (ids[pair[0]], ids[pair[1]]))
    out = Tokenizer(
        models.BPE(ids, merges, unk_token="<unk>", fuse_unk=True, byte_fallback="<0x00>" in ids)
    )
    for piece in pieces:
        if piece.type in (kind.CONTROL, kind.UNKNOWN, kind.USER_DEFINED):
            special = piece.type != kind.USER_DEFINED
            token = tokenizers.AddedToken(piece.piece, special=special, normalized=False)
            (out.add_special_tokens if special else out.add_tokens)([token])
    out.normalizer = normalizers.Replace(" ", "▁")
    out.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    out.post_processor = processors.TemplateProcessing(
        single="<bos> $A", pair="<bos> $A <bos> $B", special_tokens=[("<bos>", 2)]
    )
    return out


def openpi_ids(runner: sentencepiece.SentencePieceProcessor, prompt: str) -> list[int]:
    cleaned = prompt.strip().replace("_", " ").replace("\n", " ")
    return (runner.encode(cleaned, add_bos=True) + runner.encode("\n"))[:PROMPT_LENGTH]


def lerobot_ids(runner: Tokenizer, prompt: str) -> list[int]:
    return runner.encode(prompt if prompt.endswith("\n") else prompt + "\n").ids


def prompts() -> list[str]:
    rng = random.Random(2)
    noise = ["".join(rng.choices(ALPHABET, k=rng.randint(1, 24))) for _ in range(150)]
    tasks = [" ".join(rng.choices(WORDS, k=rng.randint(1, 20))) for _ in range(60)]
    return list(dict.fromkeys([*ODD, *noise, *tasks]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)

    asked = prompts()
    recorded = {
        "sentencepiece": sentencepiece.__version__,
        "tokenizers": tokenizers.__version__,
        "prompt_length": PROMPT_LENGTH,
        "prompts": asked,
    }
    for name, vocabulary in VOCABULARY.items():
        proto = train(vocabulary)
        (out / f"{name}.model").write_bytes(proto)
        ours = convert(proto)
        (out / f"{name}.json").write_text(ours.to_str(pretty=False) + "\n")
        ours.enable_truncation(PROMPT_LENGTH)
        theirs = sentencepiece.SentencePieceProcessor(model_proto=proto)
        recorded[name] = {
            "openpi": [openpi_ids(theirs, prompt) for prompt in asked],
            "lerobot": [lerobot_ids(ours, prompt) for prompt in asked],
        }
    text = json.dumps(recorded, separators=(",", ":"))
    (out / "ids.json").write_text(text.replace("[[", "[\n[").replace("],[", "],\n[") + "\n")

if __name__ == "__main__":
    main()
