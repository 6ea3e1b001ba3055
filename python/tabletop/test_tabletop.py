"""The numpy world: python -m unittest tabletop.test_tabletop (from python/)."""

import json
import unittest
from pathlib import Path

import numpy as np

from . import expert, philox, world
from .painter import paint
from .record_fixtures import HAND_ACTIONS, HAND_START, scenes, start, trace

FIXTURES = Path(__file__).parents[2] / "test" / "fixtures" / "tabletop"
ALL = (np.repeat(np.arange(4), 50), np.tile(np.arange(50), 4))


class Randomness(unittest.TestCase):
    def test_philox_known_answers(self) -> None:
        """Random123's kat_vectors, philox4x32 with 10 rounds."""
        pi = [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344]
        cases = [
            ([0] * 4, (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
            ([0xFFFFFFFF] * 4, (0xFFFFFFFF,) * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
            (pi, (0xA4093822, 0x299F31D0), "d16cfe09 94fdcceb 5001e420 24126ea1"),
        ]
        for counter, key, expected in cases:
            words = philox.philox4x32(np.array(counter, np.uint32), key)
            self.assertEqual(" ".join(f"{w:08x}" for w in words), expected)

    def test_crc32c_check_value(self) -> None:
        self.assertEqual(philox.crc32c(b"123456789"), 0xE3069283)

    def test_a_stream_is_its_blocks_in_order(self) -> None:
        seed, name = 0x123456789ABCDEF0, "x"
        words = philox.words(seed, name, 5, 6, 8)
        key = (0x9ABCDEF0, 0x12345678)
        for block in (0, 1):
            counter = np.array([block, 5, 6, philox.crc32c(b"x")], np.uint32)
            expected = philox.philox4x32(counter, key)
            np.testing.assert_array_equal(words[4 * block : 4 * block + 4], expected)
        np.testing.assert_array_equal(philox.words(seed, name, [4, 5], 6, 3)[1], words[:3])

    def test_normals_are_normal(self) -> None:
        x = philox.normal(0, "test", np.arange(20000), 0, 5)
        self.assertEqual(x.shape, (20000, 5))
        self.assertLess(abs(x.mean()), 0.01)
        self.assertLess(abs(x.std() - 1), 0.01)
        self.assertLess(abs((x**4).mean() - 3), 0.1)
        self.assertLess(np.abs(np.corrcoef(x.T) - np.eye(5)).max(), 0.03)


class World(unittest.TestCase):
    def test_hand_computed_trace(self) -> None:
        """Ten steps by hand, from (.4, .7, .12): bowl at (.42, .72), plate at (.5, .7)."""
        y = 0.7125
        b, free = [0.42, 0.72, 0], -1
        expected = [  # x, y, z, opening, held, target bowl, success
            (0.425, y, 0.07, 1, free, b, False),
            (0.425, y, 0.07, 0.5, free, b, False),
            (0.425, y, 0.07, 0, 0, [0.425, y, 0.07], False),
            (0.425, y, 0.12, 0, 0, [0.425, y, 0.12], False),
            (0.475, y, 0.12, 0, 0, [0.475, y, 0.12], False),
            (0.5, y, 0.07, 0, 0, [0.5, y, 0.07], False),
            (0.5, y, 0.07, 0.5, 0, [0.5, y, 0.07], False),
            (0.5, y, 0.07, 1, free, [0.5, y, 0], True),
            (0.5, y, 0.12, 1, free, [0.5, y, 0], True),
            (0.45, y, 0.17, 1, free, [0.5, y, 0], True),
        ]
        rotation_x = [0.0] * 5 + [-0.05] * 5
        rotation_z = [0.0] * 3 + [0.05] * 7
        s = start(0, HAND_START)
        for i, action in enumerate(HAND_ACTIONS):
            x, y, z, opening, held, bowl, success = expected[i]
            self.assertEqual(world.step(s, [action])[0], success, i)
            q = [x, y, z, rotation_x[i], 0, rotation_z[i], opening, held, *bowl, 0.3, 0.3, 0]
            np.testing.assert_allclose(world.qpos(s)[0], [*q, 0.5, 0.7], atol=1e-12)
            state = [x, y, z, np.pi + rotation_x[i], 0, rotation_z[i]]
            state += [0.04 * opening, -0.04 * opening]
            np.testing.assert_allclose(world.observe(s)[0], state, atol=1e-6)

    def test_the_expert_reaches_every_goal_in_time(self) -> None:
        for bowl in (0, 1):
            s = world.reset(*ALL)
            done = np.zeros(200, bool)
            goal = s.plate + (world.SPOT_OFFSET[s.task] if bowl else 0)
            for _ in range(35):
                success = world.step(s, expert.act(s, np.full(200, bowl)))
                self.assertTrue(bowl == 0 or not success.any())
                d = world.squared_distance(s.bowls[:, bowl], goal)
                done |= (s.held < 0) & (d <= 0.06**2)
            self.assertTrue(done.all())
            self.assertEqual(world.success(s).all(), bowl == 0)

    def test_layouts_depend_on_seed_task_and_trial_alone(self) -> None:
        whole = world.qpos(world.reset(*ALL, seed=3))
        one = world.qpos(world.reset([2], [17], seed=3))[0]
        np.testing.assert_array_equal(whole[2 * 50 + 17], one)
        self.assertEqual(len(np.unique(whole[:, 8])), 200)
        self.assertFalse(np.array_equal(one, world.qpos(world.reset([2], [17], seed=4))[0]))
        s = world.reset(*ALL)
        self.assertLess(np.abs(s.plate - world.PLATE[s.task]).max(), 0.03)
        self.assertGreater(np.abs(s.plate - world.PLATE[s.task]).max(), 0.029)
        self.assertLess(np.abs(s.position - 0.5).max(), 0.02)

    def test_bounds_and_the_nearest_bowl(self) -> None:
        bowls = [[0.96, 0.0], [0.99, 0.0]]
        s = start(0, {"position": [0.99, 0.01, 0.02], "bowls": bowls, "plate": [0.5, 0.5]})
        for _ in range(2):
            world.step(s, [[9, -9, -9, 0, 0, 0, 1]])
        np.testing.assert_array_equal(s.position[0], [1, 0, 0])
        self.assertEqual(s.held[0], 1)

    def test_fixtures_are_those_of_this_world(self) -> None:
        recorded = json.loads((FIXTURES / "trace.json").read_text())
        hand = recorded["hand"]
        self.assertEqual(hand["steps"], trace(start(0, hand["start"]), HAND_ACTIONS))
        for case in recorded["random"]:
            s = world.reset([case["task"]], [case["trial"]], case["seed"])
            self.assertEqual(world.qpos(s)[0].tolist(), case["initial"])
            self.assertEqual(case["steps"], trace(s, [x["action"] for x in case["steps"]]))
        s = scenes()
        self.assertEqual((FIXTURES / "pictures.bin").read_bytes(), paint(s).tobytes())
        index = json.loads((FIXTURES / "pictures.json").read_text())
        self.assertEqual([p["qpos"] for p in index["pictures"]], world.qpos(s).tolist())


class Painter(unittest.TestCase):
    def test_pixels_by_hand(self) -> None:
        """Task 0, everything where it can be counted: centres are at (i + .5) / 64."""
        bowls = [[0.25, 0.25], [0.75, 0.25]]
        s = start(0, {"position": [0.5, 0.5, 0.2], "bowls": bowls, "plate": [0.75, 0.75]})
        picture = paint(s)[0]

        def at(x: float, y: float) -> tuple[int, ...]:
            return tuple(int(c) for c in picture[int(y * 64), int(x * 64)])

        self.assertEqual(at(0.99, 0.01), (196, 170, 140))
        self.assertEqual(at(0.12, 0.72), (90, 60, 40))
        self.assertEqual(at(0.24, 0.92), (230, 230, 235))
        self.assertEqual(at(0.75, 0.75), (225, 225, 230))
        self.assertEqual(at(0.75 + 0.085, 0.75), (250, 250, 250))
        self.assertEqual(at(0.25, 0.25), (60, 60, 66))
        self.assertEqual(at(0.25 + 0.045, 0.25), (25, 25, 28))
        self.assertEqual(at(0.5, 0.5), (120, 100, 80))
        self.assertEqual(at(0.5 - 0.055, 0.47), (200, 30, 30))  # lifted by .15 * .2 = .03
        self.assertEqual(at(0.5 + 0.055, 0.47), (200, 30, 30))
        self.assertEqual(at(0.5, 0.42), (235, 235, 240))

    def test_every_size_shows_the_same_scene(self) -> None:
        s = scenes()
        small, large = paint(s), paint(s, 256)
        blocks = large.reshape(len(s.task), 64, 4, 64, 4, 3).astype(float).mean((2, 4))
        self.assertLess(np.abs(blocks - small).mean(), 3.0)


if __name__ == "__main__":
    unittest.main()
