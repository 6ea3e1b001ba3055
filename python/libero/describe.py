"""What the native backend needs to know of the model and the controller, all by name.

Ids are not stable between MuJoCo versions, names are.
"""

import original

CAMERAS = {"main": "agentview", "wrist": "robot0_eye_in_hand"}
FIXTURES = {"cabinet": "wooden_cabinet_1", "stove": "flat_stove_1"}
TARGET, GOAL = "akita_black_bowl_1", "plate_1"


def describe(env) -> dict:
    inner = env.env
    robot = inner.robots[0]
    return {
        "controller": _controller(inner, robot),
        "robot": {
            "arm_joints": list(robot.robot_joints),
            "arm_actuators": list(robot.robot_model.actuators),
            "gripper_joints": list(robot.gripper_joints),
            "gripper_actuators": list(robot.gripper.actuators),
            "grip_site": robot.gripper.important_sites["grip_site"],
            "hand_body": robot.robot_model.eef_name,
            "init_qpos": [float(q) for q in robot.init_qpos],
            "init_gripper_qpos": [0.0, 0.0],
        },
        "objects": {"target": _object(inner, TARGET), "goal": _object(inner, GOAL)},
        "fixtures": {key: original.root_body(env, name) for key, name in FIXTURES.items()},
        "stove_burner": _burner(inner.fixtures_dict[FIXTURES["stove"]]),
        "cameras": CAMERAS,
    }


def _controller(inner, robot) -> dict:
    controller = robot.controller
    return {
        "type": "OSC_POSE",
        "control_freq": inner.control_freq,
        "substeps": int(inner.control_timestep / inner.model_timestep),
        "timestep": inner.model_timestep,
        "input_min": [float(x) for x in controller.input_min],
        "input_max": [float(x) for x in controller.input_max],
        "output_min": [float(x) for x in controller.output_min],
        "output_max": [float(x) for x in controller.output_max],
        "kp": [float(x) for x in controller.kp],
        "kd": [float(x) for x in controller.kd],
        "nullspace_stiffness": 10.0,
        "gripper_speed": float(robot.gripper.speed),
        "gripper_signs": [-1.0, 1.0],
    }


def _object(inner, name: str) -> dict:
    """The root body and the collision geoms: success is contact between any two of those."""
    thing = inner.objects_dict[name]
    return {"body": thing.root_body, "geoms": list(thing.contact_geoms)}


def _burner(stove) -> dict:
    """The glowing plate: visible from the step after the knob reached the angle on."""
    return {
        "joint": stove.joints[0],
        "site": f"{stove.naming_prefix}burner",
        "visible_from": min(stove.object_properties["articulation"]["default_turnon_ranges"]),
    }
