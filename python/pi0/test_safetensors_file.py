"""The reader of safetensors: what it takes, and that it takes nothing else."""

import json
import random
import struct
import tempfile
import unittest
from pathlib import Path

import torch

from .errors import ExportError
from .safetensors_file import DTYPES, read_tensors, write_tensors
from .test_support import FIXTURES


def some_tensors() -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(2)
    tensors = {
        name: torch.randint(0, 2 if name == "BOOL" else 100, (3, 5), generator=g).to(dtype)
        for name, dtype in DTYPES.items()
    }
    return {**tensors, "scalar": torch.tensor(7.0), "empty": torch.zeros(0, 4)}


class Files(unittest.TestCase):
    def setUp(self) -> None:
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.path = Path(place.name) / "x.safetensors"

    def write(self, header: object, body: bytes = b"", length: int | None = None) -> None:
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        size = len(text) if length is None else length
        self.path.write_bytes(struct.pack("<Q", size) + text + body)

    def refused(self, *names: str) -> None:
        with self.assertRaises(ExportError) as caught:
            read_tensors(self.path)
        self.assertEqual(caught.exception.code, "ERR_DSRL_POLICY_DAMAGED")
        for name in ("x.safetensors", *names):
            self.assertIn(name, caught.exception.message)

    def test_what_was_written_is_read(self) -> None:
        tensors = some_tensors()
        write_tensors(self.path, tensors)
        found = read_tensors(self.path)
        self.assertEqual(set(found), set(tensors))
        for name, tensor in tensors.items():
            self.assertEqual(found[name].dtype, tensor.dtype)
            self.assertTrue(torch.equal(found[name], tensor), name)

    def test_files_of_the_formats_own_library_are_read(self) -> None:
        found = read_tensors(FIXTURES / "cases" / "2.inputs.safetensors")
        self.assertEqual(found["image_masks"].dtype, torch.bool)
        self.assertEqual(found["tokens"].shape, (4, 48))
        self.assertLessEqual(found["images"].abs().max().item(), 1)

    def test_tensors_that_do_not_lie_at_multiples_of_their_size(self) -> None:
        entry = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
        text = json.dumps({"a": entry}).encode()
        text += b" " * (3 - len(text) % 8)
        self.write(text, struct.pack("<ff", 1.5, -2.0))
        self.assertEqual(read_tensors(self.path)["a"].tolist(), [1.5, -2.0])

    def test_writing_to_a_tensor_does_not_reach_the_file(self) -> None:
        write_tensors(self.path, {"a": torch.ones(4)})
        read_tensors(self.path)["a"].zero_()
        self.assertEqual(read_tensors(self.path)["a"].sum().item(), 4)

    def test_headers_that_lie_are_refused(self) -> None:
        def entry(**changes: object) -> dict:
            return {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}

        body = bytes(8)
        cases = {
            "longer than the file": lambda: self.write({"a": entry()}, body, length=1 << 40),
            "no JSON": lambda: self.write(b"{]", body),
            "no object": lambda: self.write([1], body),
            "other dtype": lambda: self.write({"`a`": entry(dtype="F4")}, body),
            "shape too large": lambda: self.write({"`a`": entry(shape=[3])}, body),
            "negative shape": lambda: self.write({"`a`": entry(shape=[-2])}, body),
            "shape of texts": lambda: self.write({"`a`": entry(shape=["2"])}, body),
            "shape of truths": lambda: self.write({"`a`": entry(shape=[True, 2])}, body),
            "no offsets": lambda: self.write({"`a`": {"dtype": "F32", "shape": [2]}}, body),
            "offsets backwards": lambda: self.write({"`a`": entry(data_offsets=[8, 0])}, body),
            "beyond the end": lambda: self.write({"a": entry(data_offsets=[8, 16])}, body),
            "overlapping": lambda: self.write({"a": entry(), "b": entry()}, body),
            "bytes left over": lambda: self.write({"a": entry()}, body + body),
            "name twice": lambda: self.write(
                b'{"a":' + json.dumps(entry()).encode() + b',"a":{}}', body
            ),
            "no header": lambda: self.path.write_bytes(b"1234"),
        }
        for name, write in cases.items():
            with self.subTest(name):
                write()
                self.refused()

    def test_a_quantised_file_is_called_so(self) -> None:
        self.write({"`a`": {"dtype": "F8_E4M3", "shape": [2], "data_offsets": [0, 2]}}, bytes(2))
        with self.assertRaises(ExportError) as caught:
            read_tensors(self.path)
        self.assertIn("F8_E4M3", caught.exception.message)
        self.assertIn("quantised", caught.exception.hint)

    def test_every_truncation_is_refused(self) -> None:
        write_tensors(self.path, {"weight": torch.ones(5), "mask": torch.ones(3).bool()})
        whole = self.path.read_bytes()
        for length in range(len(whole)):
            self.path.write_bytes(whole[:length])
            self.refused()

    def test_a_damaged_header_reads_as_tensors_or_is_refused(self) -> None:
        """Whatever stands there: no other error, and never a view beyond the file."""
        write_tensors(self.path, some_tensors())
        whole = self.path.read_bytes()
        end = 8 + struct.unpack_from("<Q", whole)[0]
        pick = random.Random(3)
        refused = 0
        for _ in range(600):
            data = bytearray(whole)
            for _ in range(pick.randint(1, 3)):
                data[pick.randrange(end)] = pick.choice((pick.randrange(256), *b'{}[],":019'))
            self.path.write_bytes(data)
            try:
                for tensor in read_tensors(self.path).values():
                    tensor.clone()
            except ExportError as error:
                self.assertEqual(error.code, "ERR_DSRL_POLICY_DAMAGED")
                refused += 1
        self.assertGreater(refused, 100)


if __name__ == "__main__":
    unittest.main()
