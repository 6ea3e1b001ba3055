"""The parts that need no LIBERO: python -m unittest discover python/libero"""

import pickle
import re
import tempfile
import unittest
import zipfile
from pathlib import Path

import numpy as np

import compare_replay
import scene_files
from decimate import closest_weights
from expert import Expert, Scene
from init_states import read_init_states
from mesh_files import Mesh, weld, write_msh
from safetensors_file import read_tensors, write_tensors

FIXTURES = Path(__file__).parents[2] / "test" / "fixtures" / "libero"


class TemporaryFolder(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)


class InitStates(TemporaryFolder):
    """What torch.save writes of a numpy array, made without torch."""

    def write(self, content: bytes, name: str = "a.pruned_init") -> None:
        with zipfile.ZipFile(self.folder / name, "w") as archive:
            archive.writestr("archive/data.pkl", content)
            archive.writestr("archive/version", "3\n")

    def test_reads_what_torch_saves(self) -> None:
        for order in "CF":
            states = np.asarray(np.random.default_rng(0).normal(size=(50, 92)), order=order)
            self.write(pickle.dumps(states, protocol=2))
            np.testing.assert_array_equal(read_init_states(self.folder, "a.pruned_init"), states)

    def test_reads_npz_and_says_what_is_not_there(self) -> None:
        states = np.ones((3, 92))
        np.savez_compressed(self.folder / "a.init.npz", states=states)
        np.testing.assert_array_equal(read_init_states(self.folder, "a.init"), states)
        self.assertIsNone(read_init_states(self.folder, "b.init"))

    def test_runs_nothing_that_a_file_names(self) -> None:
        victim = self.folder / "victim"
        victim.touch()

        class Attack:
            def __reduce__(self) -> tuple:
                return Path.unlink, (victim,)

        self.write(pickle.dumps(Attack(), protocol=2))
        with self.assertRaisesRegex(ValueError, "which no states need"):
            read_init_states(self.folder, "a.pruned_init")
        self.assertTrue(victim.exists())

    def test_refuses_what_is_no_table_of_numbers(self) -> None:
        for content in (
            pickle.dumps(np.array([None, 1]), protocol=2),
            pickle.dumps(np.array(["a"]), protocol=2),
            pickle.dumps([1.0, 2.0], protocol=2),
            pickle.dumps(np.zeros((50, 92)), protocol=2)[:-20],
            pickle.dumps(np.full((50, 92), np.nan), protocol=2),
            pickle.dumps(np.zeros(92), protocol=2),
            b"",
        ):
            self.write(content)
            with self.assertRaises(ValueError):
                read_init_states(self.folder, "a.pruned_init")


class Safetensors(TemporaryFolder):
    def test_round_trip(self) -> None:
        tensors = {
            "odd": np.arange(3, dtype=np.uint8),
            "matrix": np.arange(6.0).reshape(2, 3).T,
            "empty": np.zeros((0, 7), np.float32),
        }
        write_tensors(self.folder / "a", tensors, {"mujoco": "3.3.2"})
        read = read_tensors(self.folder / "a")
        self.assertEqual(set(read), set(tensors))
        for name, tensor in tensors.items():
            np.testing.assert_array_equal(read[name], tensor)
            self.assertEqual(read[name].dtype, tensor.dtype)

    def test_refuses_a_file_that_is_cut_off(self) -> None:
        write_tensors(self.folder / "a", {"x": np.zeros(9)})
        whole = (self.folder / "a").read_bytes()
        (self.folder / "a").write_bytes(whole[:-1])
        with self.assertRaisesRegex(ValueError, "'x'"):
            read_tensors(self.folder / "a")


class SceneFiles(TemporaryFolder):
    def test_assets_get_names_beside_the_scene(self) -> None:
        names = ["libero/assets/textures/a.png", "robosuite/models/assets/robots/b.stl"]
        for name in names:
            (self.folder / name).parent.mkdir(parents=True)
            (self.folder / name).write_text(name)
        (first, second) = (self.folder / name for name in names)
        dotted = first.parent / ".." / "textures" / "a.png"
        xml = f'<compiler meshdir="meshes/"/><texture file="{dotted}"/><mesh file="{second}"/>'
        out = self.folder / "out"
        out.mkdir()
        scene_files.write_scene(xml, out)
        text = (out / "scene.xml").read_text()
        self.assertEqual(
            re.findall(r'file="([^"]+)"', text),
            ["assets/textures/a.png", "assets/robosuite/robots/b.stl"],
        )
        self.assertNotIn("meshdir", text)
        self.assertEqual((out / "assets/robosuite/robots/b.stl").read_text(), names[1])

    def test_two_assets_of_one_name_are_refused(self) -> None:
        files = [self.folder / place / "assets" / "a.png" for place in "xy"]
        for file in files:
            file.parent.mkdir(parents=True)
            file.touch()
        xml = "".join(f'<texture file="{file}"/>' for file in files)
        with self.assertRaisesRegex(ValueError, "two assets"):
            scene_files.write_scene(xml, self.folder)

    def test_hides_the_site_that_is_named_and_no_other(self) -> None:
        xml = '<site rgba="1 0 0 1" name="a"/><site name="ab" rgba="1 0 0 1"/>'
        hidden = scene_files.set_site_alpha(xml, "ab", 0)
        self.assertEqual(hidden, xml.replace('"ab" rgba="1 0 0 1"', '"ab" rgba="1 0 0 0"'))
        with self.assertRaises(ValueError):
            scene_files.set_site_alpha(xml, "b", 0)


class Meshes(TemporaryFolder):
    def test_seams_are_welded_and_written_with_their_own_looks(self) -> None:
        square = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 0, 0], [1, 1, 0], [0, 1, 0.0]])
        up = np.tile([0, 0, 1.0], (2, 3, 1))
        uvs = np.array([[[0, 0], [1, 0], [1, 1]], [[0, 0.5], [1, 1], [0, 1]]])
        mesh = weld(Mesh(square, np.arange(6).reshape(2, 3), up, uvs))
        self.assertEqual(mesh.vertices.shape, (4, 3))
        np.testing.assert_array_equal(mesh.vertices[mesh.faces], square.reshape(2, 3, 3))
        write_msh(self.folder / "a.msh", mesh)
        data = (self.folder / "a.msh").read_bytes()
        vertices, normals, texcoords, faces = np.frombuffer(data, "<i4", 4)
        # The corner (0, 0) has two uvs and is written twice; (1, 1) has one and is written once.
        self.assertEqual((vertices, normals, texcoords, faces), (5, 5, 5, 2))
        self.assertEqual(len(data), 16 + 4 * (5 * 3 + 5 * 3 + 5 * 2 + 2 * 3))

    def test_closest_weights(self) -> None:
        triangle = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0.0]])
        points = np.array([[0.25, 0.25, 3], [-1, -1, 0], [0.2, 0.7, -1]])
        expected = [[0.5, 0.25, 0.25], [1, 0, 0], [0.1, 0.2, 0.7]]
        np.testing.assert_allclose(closest_weights(points, triangle), expected, atol=1e-12)


class ScriptedExpert(unittest.TestCase):
    def test_takes_carries_and_releases_in_a_world_that_obeys(self) -> None:
        expert = Expert()
        hand, bowl = np.array([-0.2, 0.0, 1.2]), np.array([-0.05, 0.2, 0.93])
        plate, width, grippers = np.array([0.06, 0.2, 0.9]), 0.08, []
        for _ in range(150):
            action = expert.act(Scene(hand.copy(), width, bowl.copy(), plate))
            self.assertLessEqual(np.abs(action[:3]).max(), 1)
            np.testing.assert_array_equal(action, action.astype(np.float32))
            np.testing.assert_array_equal(action[3:6], 0)
            grippers.append(action[6])
            move = 0.3 * 0.05 * action[:3]
            hand += move
            width = max(width - 0.008, 0.004) if action[6] > 0 else 0.08
            if width < 0.008:
                bowl += move
        changes = np.flatnonzero(np.diff(grippers))
        self.assertEqual([grippers[0], *np.array(grippers)[changes + 1]], [-1, 1, -1])
        self.assertLess(np.linalg.norm(bowl[:2] - plate[:2]), 0.03)


class Comparison(unittest.TestCase):
    def setUp(self) -> None:
        self.trace = read_tensors(FIXTURES / "libero_spatial-3.safetensors")
        self.replay = {name: tensor.copy() for name, tensor in self.trace.items()}

    def failures(self) -> list[str]:
        return compare_replay.compare_trace(self.trace, self.replay)["failures"]

    def test_the_original_equals_itself(self) -> None:
        self.assertEqual(self.failures(), [])

    def test_each_planted_mistake_is_seen(self) -> None:
        plants = {
            "qpos_no_ops": ("qpos", 10, 1e-11),
            "qpos": ("qpos", 60, 1e-5),
            "qvel": ("qvel", 60, 1e-3),
            "state": ("state", 60, 1e-5),
            "success": ("success", 20, 1),
            "reward": ("reward", 20, 1),
            "wrist_15": ("wrist_15", 7, 3),
        }
        for failure, (name, row, amount) in plants.items():
            with self.subTest(failure):
                self.setUp()
                self.replay[name][row] += np.asarray(amount).astype(self.replay[name].dtype)
                self.assertEqual(self.failures(), [failure])

    def test_a_replay_that_is_not_a_number_fails(self) -> None:
        self.replay["qpos"][70, 3] = np.nan
        self.assertIn("qpos", self.failures())

    def test_a_replay_of_another_shape_is_refused(self) -> None:
        self.replay["qpos"] = self.replay["qpos"][:-1]
        with self.assertRaisesRegex(ValueError, "qpos is"):
            self.failures()

    def test_episodes_succeed_in_the_fixture_and_a_shifted_success_is_seen(self) -> None:
        tensors = read_tensors(FIXTURES / "replays.safetensors")
        episodes = {name.split("/")[0] for name in tensors}
        figures = compare_replay.compare_episodes(tensors, tensors)
        self.assertEqual(figures, {"episodes": 25, "qpos_last": 0, "failures": []})
        for key in episodes:
            episode = {name: tensors[f"{key}/{name}"] for name in ("actions", "qpos", "success")}
            replay = {"success": episode["success"].copy(), "qpos": episode["qpos"][None]}
            figures = compare_replay.compare_episode(episode, replay)
            self.assertEqual((figures["failures"], figures["qpos_last"]), ([], 0))
            replay["success"][figures["success_at"] - 1] = 0
            figures = compare_replay.compare_episode(episode, replay)
            self.assertEqual(figures["failures"], ["success"])


if __name__ == "__main__":
    unittest.main()
